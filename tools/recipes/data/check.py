"""The one check of a run's data: every split is read once, judged, and told of."""

from pathlib import Path

from .maps import LABELS, judge_maps
from .mend import mend
from .objects import judge
from .panoptic import judge_segments
from .report import Report, Unusable, listed, plural
from .sources import annotated, below, dataset_class, format_of, mapped, named_datasets
from .survey import look_at_picture, pictures_in, remembered_beside, survey


def check_splits(cfg, splits: tuple[str, ...], pictures: bool = True) -> Report:
    """Reads and judges the data of a config.

    Args:
        cfg: An mmengine Config.
        splits: Of 'train', 'val' and 'test', those that will be used.
        pictures: Whether pictures and maps are read; else annotation files alone.

    Returns:
        Errors, warnings and a summary.
    """
    report, counts, seen = Report(), {}, {}
    for split in splits:
        for name, dataset in named_datasets(
            (cfg.get(f'{split}_dataloader') or {}).get('dataset'), f'{split}_dataloader.dataset'
        ):
            if split == 'test':
                _test_pictures(report, dataset)
            same = seen.setdefault(_paths(dataset), split)
            if split == 'test' and same == 'val':
                report.summary.append('test: the same as val')
                continue
            found = _check(report, cfg, split, name, dataset, pictures)
            if found is not None and split not in counts:
                counts[split] = found
    _unseen(report, counts)
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


def _check(report: Report, cfg, split: str, name: str, dataset: dict, pictures: bool):
    """Judges a data set; returns its classes, the number of objects or pixels of each, and its
    path, where it has such."""
    cls = dataset_class(dataset, cfg.get('default_scope'))
    kind = format_of(cls)
    if '://' in str(below(dataset, dataset.get('ann_file') or '')).replace(':/', '://'):
        return None
    if kind is None:
        where = below(dataset, dataset.get('ann_file') or '')
        report.summary.append(f'{split}: {where}, {dataset.get("type")}, which is not checked')
        return None
    if kind in ('labels', 'depths'):
        if not pictures:
            return None
        use = mapped(split, dataset, cls)
        if not use.pairs:
            report.error(use.images, 'it holds no pictures of this data set.')
            return None
        found = judge_maps(report, use)
        return (use.classes, found, use.maps) if use.kind is LABELS else None
    try:
        found, use = annotated(cfg, split, name, dataset, cls)
    except Unusable as error:
        report.add([error.finding])
        return None
    looks = None
    if pictures:
        paths = [str(use.images / picture) for picture in found.pictures.names]
        looks = survey(look_at_picture, paths, remembered_beside(found.path), 'Checking pictures')
    counts = judge(report, found, use, looks)
    maps = (dataset.get('data_prefix') or {}).get('seg')
    if kind == 'panoptic' and pictures and maps and len(found.objects):
        judge_segments(report, found, use, below(dataset, maps))
    return use.classes or found.classes, counts, found.path


def _unseen(report: Report, counts: dict) -> None:
    """Tells of classes that are never learnt, and of those that are asked for all the same."""
    if 'train' not in counts:
        return
    classes, learnt, path = counts['train']
    never = learnt == 0
    told = set()
    for split in ('val', 'test'):
        if split not in counts or counts[split][0] != classes:
            continue
        asked = never & (counts[split][1] > 0)
        if asked.any() and learnt.any():
            names = [name for name, there in zip(classes, asked, strict=True) if there]
            told |= set(names)
            report.warn(
                counts[split][2],
                f'it has {plural(len(names), "class", "classes")} ({listed(names)}) of which '
                f'{path} has none to learn from: divide the pictures anew, so that every class can '
                'be learnt.',
                len(names),
            )
    rest = [name for name, gone in zip(classes, never, strict=True) if gone and name not in told]
    if rest and learnt.any() and path.suffix in ('.json', '.txt'):
        report.warn(
            path,
            f'{plural(len(rest), "class", "classes")} ({listed(rest)}) have no object to learn '
            'from.',
            len(rest),
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
