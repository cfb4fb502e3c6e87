"""Test a checkpoint: python tools/test.py CONFIG CHECKPOINT (--help lists the flags)."""

import os
import sys
from pathlib import Path

# must be said before torch is loaded: threads that wait spinning starve the dataloader's workers
# and whatever else runs, and a step on two busy cores takes six times as long
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import mmdyup  # noqa: E402, F401, I001  (before all else: it mends the stack)

from mmengine.runner import Runner  # noqa: E402

from mmdyup.recipes.checks import check_checkpoint, check_data  # noqa: E402
from mmdyup.recipes.cli import load_config, make_parser, one_sentence  # noqa: E402
from mmdyup.recipes.compatible import check_fits  # noqa: E402
from mmdyup.recipes.show import save_pictures  # noqa: E402
from mmdyup.recipes.walk import evaluators  # noqa: E402


def parse_args(argv):
    parser = make_parser('Test a checkpoint.')
    parser.add_argument('checkpoint', help='checkpoint file (.pth)')
    parser.add_argument('--out', metavar='FILE.pkl', help='save the predictions here')
    return parser.parse_args(argv)


def prepare(args):
    if args.out and Path(args.out).suffix not in ('.pkl', '.pickle'):
        raise ValueError(f'--out {args.out}: give a name that ends in .pkl, for it is a pickle.')
    cfg = load_config(args)
    check_checkpoint(args.checkpoint)
    check_data(cfg, ('test',))
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.out:
        kind = 'DumpDetResults' if cfg.get('default_scope') == 'mmdet' else 'DumpResults'
        dump = dict(type=kind, out_file_path=args.out)
        cfg.test_evaluator = [*evaluators(cfg.test_evaluator), dump]
    if args.show_dir:
        save_pictures(cfg, str(Path(args.show_dir).resolve()))
    return cfg


def main(argv=None):
    args = parse_args(argv)
    with one_sentence():
        cfg = prepare(args)
    runner = Runner.from_cfg(cfg)
    try:
        check_fits(runner.model, args.checkpoint)
    except ValueError as error:
        sys.exit(str(error))
    runner.test()


if __name__ == '__main__':
    main()
