"""Check a folder of data: python tools/check.py DIR [CONFIG] (--help lists the flags)."""

from preamble import ROOT, one_sentence  # isort: skip  (before all else)

import argparse
import json
import sys
from pathlib import Path

from recipes.cli import load_config, make_parser
from recipes.data.check import check_splits
from recipes.data.coco import read_coco
from recipes.data.records import NO_MASK
from recipes.data.report import Report, Unusable, plural

SPLITS = ('train', 'val', 'test')
# what a folder may hold, and a config that trains on it
CONFIGS = {
    'panoptic_train.json': 'panoptic_fpn_nearest.py',
    'semantic': 'segformer_b1_bilinear.py',
    'depth': 'depthformer_swin_t_bilinear.py',
}
BOXES, MASKS = 'faster_rcnn_nearest.py', 'mask_rcnn_nearest.py'


def parse_args(argv):
    parser = argparse.ArgumentParser(
        description='Check a folder of data as training and testing with --data do, all its splits '
        'at once. The exit status is 1 where there are errors.'
    )
    parser.add_argument('data', metavar='DIR', help='the folder, as for --data')
    parser.add_argument(
        'config',
        nargs='?',
        help='the config that is to be trained on it (default: one for each kind of annotations '
        'that DIR holds)',
    )
    parser.add_argument('--json', action='store_true', help='print all as JSON')
    parser.add_argument(
        '--no-check', action='store_true', help='read no pictures, annotation files alone'
    )
    return parser.parse_args(argv)


def choose_configs(root: Path) -> list[str]:
    """Configs for what ``root`` holds.

    Raises:
        FileNotFoundError: It holds no annotations.
    """
    names = [config for file, config in CONFIGS.items() if (root / file).exists()]
    if (root / 'train.json').exists():
        names.append(MASKS if has_masks(root / 'train.json') else BOXES)
    if not names:
        raise FileNotFoundError(
            f'{root} holds no annotations: there must be train.json, panoptic_train.json, '
            'semantic/ or depth/.'
        )
    return [str(ROOT / 'configs' / name) for name in names]


def has_masks(path: Path) -> bool:
    """Whether any object in a COCO file has a mask."""
    try:
        return bool((read_coco(path).objects.mask != NO_MASK).any())
    except Unusable:  # which is told when the file is checked
        return False


def check_folder(args) -> Report:
    root, report = Path(args.data), Report()
    if not root.is_dir():
        raise FileNotFoundError(f'There is no folder {root}.')
    configs = [args.config] if args.config else choose_configs(root)
    for config in configs:
        words = [config, '--data', args.data, '--from-scratch']
        try:
            cfg = load_config(make_parser('').parse_args(words))
            found = check_splits(cfg, SPLITS, not args.no_check)
        except Unusable as error:
            report.add([error.finding])
            continue
        except (FileNotFoundError, ValueError) as error:
            report.error(root, str(error))
            continue
        report.add(found.findings)
        report.summary += found.summary
    return report


def main(argv=None):
    args = parse_args(argv)
    with one_sentence():
        report = check_folder(args)
    if args.json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        print(report)
        for found in report.errors:
            print(f'  error: {found}')
        errors, warnings = len(report.errors), len(report.warnings)
        print(f'{plural(errors, "error")}, {plural(warnings, "warning")}')
    sys.exit(1 if report.errors else 0)


if __name__ == '__main__':
    main()
