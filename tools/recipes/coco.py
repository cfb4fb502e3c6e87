"""A folder's COCO annotation files, and how a config comes to read them."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

from .config import drop_repeated, evaluators, leaf_datasets, walk
from .data.records import Annotated
from .data.sources import dataset_class, format_of

# settings of a data set that hold for any format
KEPT = (
    '_scope_',
    'pipeline',
    'test_mode',
    'filter_cfg',
    'indices',
    'serialize_data',
    'max_refetch',
)


def read_splits(
    root: Path, name: str, read: Callable[[Path], Annotated], layout: str
) -> dict[str, Annotated]:
    """The parts of a folder that a config trains, validates and tests on.

    Args:
        root: The folder.
        name: The name of its annotation files, with '{}' for 'train', 'val' and 'test'.
        read: Reads such a file.
        layout: The sentence that tells where such files are looked for.

    Returns:
        What was read, by part; where there is no file to test on, 'test' is 'val'.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Nothing can be made of one.
    """
    for split in ('train', 'val'):
        if not (root / name.format(split)).is_file():
            raise FileNotFoundError(f'{root / name.format(split)} is missing: {layout}')
    splits = {split: read(root / name.format(split)) for split in ('train', 'val')}
    test = root / name.format('test')
    splits['test'] = read(test) if test.exists() else splits['val']
    return splits


def image_prefix(root: Path, found: Annotated) -> str:
    """Where under ``root`` the pictures of a part lie, by the first of them."""
    split = found.path.stem.removeprefix('panoptic_')
    own = f'images/{split}/'
    first = found.pictures.names[0]
    return 'images/' if (root / 'images' / first).is_file() or not (root / own).is_dir() else own


def point_at(cfg, split: str, dataset: dict, metric: dict) -> None:
    """Has a config read other files.

    A data set of another format than COCO's becomes a ``CocoDataset``, which is scored as COCO is.

    Args:
        cfg: An mmengine Config, edited in place.
        split: 'train', 'val' or 'test'.
        dataset: Settings for the data sets that it reads there.
        metric: Settings for the metrics that read an annotation file there.
    """
    # copied, for mmdet's configs write test_dataloader = val_dataloader: one object, two names
    loader = deepcopy(cfg[f'{split}_dataloader'])
    other = False
    for leaf in leaf_datasets(loader):
        kind = format_of(dataset_class(leaf, cfg.get('default_scope')))
        if kind not in ('coco', 'panoptic'):
            other = True
            kept = {key: leaf[key] for key in KEPT if key in leaf}
            leaf.clear()
            leaf.update(type='CocoDataset', **kept)
        # an update would keep folders that this one does not name
        leaf.pop('data_prefix', None)
        leaf.update(deepcopy(dataset))
    drop_repeated(loader)
    cfg[f'{split}_dataloader'] = loader
    evaluator = deepcopy(cfg.get(f'{split}_evaluator'))
    if other and evaluator:
        evaluator = dict(type='CocoMetric', metric='bbox', ann_file='')
        if any(node.get('with_mask') for node in walk(cfg.train_dataloader)):
            evaluator['metric'] = ['bbox', 'segm']
    for node in evaluators(evaluator):
        if 'ann_file' in node:
            node.update(metric)
    if evaluator:
        cfg[f'{split}_evaluator'] = evaluator
