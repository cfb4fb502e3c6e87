"""The one check of a run's data: every split is read once, judged, and told of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .maps import LABELS, MapUse, judge_maps
from .mend import mend
from .objects import judge
from .panoptic import judge_segments
from .records import Annotated
from .report import Report, Unusable, listed, plural
from .sources import annotated, below, dataset_class, format_of, mapped, named_datasets
from .survey import look_at_picture, pictures_in, remembered_beside, survey
from .use import Use


@dataclass
class Seen:
    """What is asked of a split after it was judged.

    Args:
        path: Its file or folder.
        classes: Their names.
        counts: Objects or pixels of each class.
        pictures: Their paths.
    """

    path: Path
    classes: tuple[str, ...]
    counts: np.ndarray
    pictures: set[str]


def check_splits(cfg, splits: tuple[str, ...], pictures: bool = True) -> Report:
    """Reads and judges the data of a config.

    Args:
        cfg: An mmengine Config.
        splits: Of 'train', 'val' and 'test', those that will be used.
        pictures: Whether pictures and maps are read; else annotation files alone.

    Returns:
        Errors, warnings and a summary.
    """
    report, seen, known = Report(), {}, {}
    for split in splits:
        for name, dataset in named_datasets(
            (cfg.get(f'{split}_dataloader') or {}).get('dataset'), f'{split}_dataloader.dataset'
        ):
            if split == 'test':
                _test_pictures(report, dataset)
            if split == 'test' and known.setdefault(_paths(dataset), split) == 'val':
                report.summary.append('test: the same as val')
                continue
            known.setdefault(_paths(dataset), split)
            found = _check(report, cfg, split, name, dataset, pictures)
            if found and split not in seen:
                seen[split] = found
    if 'train' in seen:
        train = seen.pop('train')
        _unseen(report, train, seen)
        _shared(report, train, seen)
    return report


def _paths(dataset: dict) -> str:
    return repr([dataset.get(key) for key in ('data_root', 'ann_file', 'data_prefix')])


def _test_pictures(report: Report, dataset: dict) -> None:
    """Warns where pictures lie in images/test and something else is tested on."""
    used = [dataset.get('ann_file') or '', *(dataset.get('data_prefix') or {}).values()]
    folder = below(dataset, 'images/test')
    if any('test' in str(path) for path in used) or not folder.is_dir():
        return
    count = len(pictures_in(folder))
    if count:
        report.warn(
            folder,
            f'it holds {plural(count, "picture")} without annotations, so testing uses val: add '
            'test.json, for label maps semantic/test, for depths depth/test.',
            count,
        )


def _check(
    report: Report, cfg, split: str, name: str, dataset: dict, pictures: bool
) -> Seen | None:
    """Judges a data set; returns what is asked of it later, where it has classes."""
    cls = dataset_class(dataset, cfg.get('default_scope'))
    kind = format_of(cls)
    if '://' in f'{dataset.get("data_root")}{dataset.get("ann_file")}':
        return None  # remote storage is mmengine's to read
    if kind is None:
        where = below(dataset, dataset.get('ann_file') or '')
        report.summary.append(f'{split}: {where}, {dataset.get("type")}, which is not checked')
        return None
    if kind in ('labels', 'depths'):
        return _check_maps(report, mapped(split, dataset, cls)) if pictures else None
    try:
        found, use = annotated(cfg, split, name, dataset, cls)
    except Unusable as error:
        report.add([error.finding])
        return None
    counts = judge_annotated(report, found, use, pictures)
    maps = (dataset.get('data_prefix') or {}).get('seg')
    if kind == 'panoptic' and pictures and maps and len(found.objects):
        judge_segments(report, found, use, below(dataset, maps))
    paths = {str(use.images / picture) for picture in found.pictures.names}
    return Seen(found.path, use.classes or found.classes, counts, paths)


def judge_annotated(report: Report, found: Annotated, use: Use, pictures: bool = True):
    """Adds to ``report`` what can be known of a split with objects, as :func:`judge`.

    Args:
        report: Edited in place.
        found: The split.
        use: How it is used.
        pictures: Whether pictures are read.
    """
    looks = None
    if pictures:
        paths = [str(use.images / picture) for picture in found.pictures.names]
        looks = survey(look_at_picture, paths, remembered_beside(found.path), 'Checking pictures')
    return judge(report, found, use, looks)


def _check_maps(report: Report, use: MapUse) -> Seen | None:
    if not use.pairs:
        report.error(use.images, 'it holds no pictures of this data set.')
        return None
    counts = judge_maps(report, use)
    return Seen(use.maps, use.classes, counts, set()) if use.kind is LABELS else None


def _unseen(report: Report, train: Seen, others: dict[str, Seen]) -> None:
    """Tells of classes that are never learnt, and of those that are asked for all the same."""
    never, told = train.counts == 0, set()
    if never.all():
        return
    for other in others.values():
        if other.classes != train.classes:
            continue
        asked = never & (other.counts > 0)
        names = [name for name, there in zip(train.classes, asked, strict=True) if there]
        told |= set(names)
        if names:
            report.warn(
                other.path,
                f'it has {plural(len(names), "class", "classes")} ({listed(names)}) of which '
                f'{train.path} has none to learn from: divide the pictures anew, so that every '
                'class can be learnt.',
                len(names),
            )
    rest = [n for n, gone in zip(train.classes, never, strict=True) if gone and n not in told]
    # label maps say it with the values that occur
    if rest and train.path.is_file():
        report.warn(
            train.path,
            f'it has nothing to learn {plural(len(rest), "class", "classes")} from '
            f'({listed(rest)}): add such objects, or take the classes away.',
            len(rest),
        )


def _shared(report: Report, train: Seen, others: dict[str, Seen]) -> None:
    """Tells of pictures that are learnt and then scored."""
    for other in others.values():
        common = sorted(train.pictures & other.pictures)
        if common:
            report.warn(
                other.path,
                f'{common[0]} is in {train.path} too ({len(common)} of '
                f'{plural(len(other.pictures), "picture")}), so scores tell what was learnt by '
                'heart: divide the pictures anew.',
                len(common),
            )


def mend_files(cfg, splits: tuple[str, ...], folder: Path) -> None:
    """Has a config read copies of the files in which something is ours to give.

    Args:
        cfg: An mmengine Config, edited in place.
        splits: Those that will be used.
        folder: Where the copies go.
    """
    for split in splits:
        loader = cfg.get(f'{split}_dataloader') or {}
        for name, dataset in named_datasets(loader.get('dataset'), f'{split}_dataloader.dataset'):
            cls = dataset_class(dataset, cfg.get('default_scope'))
            if format_of(cls) not in ('coco', 'panoptic'):
                continue
            found, _ = annotated(cfg, split, name, dataset, cls)
            if not found.mends:
                continue
            copy = mend(found.path, folder / f'{found.path.parent.name}_{found.path.name}')
            dataset['ann_file'] = str(copy)
            evaluator = cfg.get(f'{split}_evaluator')
            for metric in evaluator if isinstance(evaluator, (list, tuple)) else [evaluator or {}]:
                if (
                    metric.get('ann_file')
                    and Path(metric['ann_file']).resolve() == found.path.resolve()
                ):
                    metric['ann_file'] = str(copy)
