"""The parts of a folder that a config trains, validates and tests on."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

from .annotations import Annotations, check_same_classes
from .walk import evaluators, leaf_datasets


def read_splits(
    root: Path, name: str, read: Callable[[Path], Annotations]
) -> dict[str, Annotations]:
    """What `read` finds in the annotation files of `root`, called `name` with 'train', 'val' and
    'test' for its '{}'; where there is none to test on, 'test' is 'val'.

    Raises what `read` raises, and ValueError when the files list different classes.
    """
    splits = {split: read(root / name.format(split)) for split in ('train', 'val')}
    test = root / name.format('test')
    splits['test'] = read(test) if test.exists() else splits['val']
    for split in ('val', 'test'):
        check_same_classes(splits['train'], splits[split])
    return splits


def image_prefix(root: Path, found: Annotations) -> str:
    """Where under `root` the pictures of a split lie; FileNotFoundError when some are missing."""
    for prefix in (f'images/{found.split}/', 'images/'):
        missing = [name for name in found.file_names if not (root / prefix / name).is_file()]
        if not missing:
            return prefix
        if len(missing) < len(found.file_names):
            break
    raise FileNotFoundError(
        f'{len(missing)} of the {len(found.file_names)} pictures that {found.path} names are '
        f'missing, for instance {missing[0]}: put them in {root / "images"} or '
        f'{root / "images" / found.split}.'
    )


def point_at(cfg, split: str, dataset: dict, metric: dict) -> None:
    """Give the data sets that the mmengine Config `cfg`, edited in place, reads for `split` the
    settings `dataset`, and the metrics that read an annotation file there the settings `metric`."""
    # copied, for mmdet's configs write test_dataloader = val_dataloader: one object, two names
    loader = deepcopy(cfg[f'{split}_dataloader'])
    for leaf in leaf_datasets(loader):
        leaf.update(deepcopy(dataset))
    cfg[f'{split}_dataloader'] = loader
    evaluator = deepcopy(cfg.get(f'{split}_evaluator'))
    for node in evaluators(evaluator):
        if 'ann_file' in node:
            node.update(metric)
    if evaluator:
        cfg[f'{split}_evaluator'] = evaluator
