"""COCO annotation files that somebody made: reading them, and saying what is wrong with them."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from .config import evaluators, leaf_datasets

ANNOTATION_KEYS = ('image_id', 'category_id', 'bbox', 'area', 'iscrowd')
IMAGE_KEYS = ('id', 'file_name', 'width', 'height')


@dataclass(frozen=True)
class Annotations:
    """What a config needs to know of a COCO annotation file.

    Args:
        path: The file.
        categories: Id and name of every class, in the order of their labels.
        used: The ids that have objects.
        file_names: The names of the pictures.
    """

    path: Path
    categories: tuple[tuple[int, str], ...]
    used: frozenset[int]
    file_names: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.categories)

    @property
    def split(self) -> str:
        """What its pictures are for: 'train', 'val' or 'test'."""
        return self.path.stem.removeprefix('panoptic_')


def read_annotations(path: str | Path, masks: bool = False) -> Annotations:
    """Reads and checks a COCO annotation file.

    Args:
        path: The file.
        masks: Every object needs a segmentation.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not COCO detection JSON, holds no pictures, objects or classes, or lacks
            a field that training needs.
    """
    path = Path(path)
    data = read_coco(
        path,
        '--data DIR needs DIR/train.json and DIR/val.json in COCO format and '
        'the pictures in DIR/images.',
    )
    keys = (*ANNOTATION_KEYS, 'segmentation') if masks else ANNOTATION_KEYS
    need_keys(path, data['annotations'], 'annotation', keys)
    check_references(path, data, data['annotations'])
    return Annotations(path, **summary(data, data['annotations']))


def read_coco(path: Path, layout: str) -> dict:
    """The JSON at ``path``, with lists of images, annotations and categories that are not empty.

    Args:
        path: The file.
        layout: The sentence that tells where such files are looked for.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: One of the lists is missing, empty, or lacks a field.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: {layout}')
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not valid JSON ({error}): export it again.') from None
    for key in ('images', 'annotations', 'categories'):
        entries = data.get(key) if isinstance(data, dict) else None
        if not isinstance(entries, list) or not entries:
            raise ValueError(
                f'{path} has no "{key}": a COCO annotation file needs non-empty lists "images", '
                '"annotations" and "categories".'
            )
    need_keys(path, data['images'], 'image', IMAGE_KEYS)
    need_keys(path, data['categories'], 'category', ('id', 'name'))
    return data


def need_keys(path: Path, entries: list, what: str, keys: tuple[str, ...]) -> None:
    """Raises ValueError unless all ``entries``, called ``what``, are dicts with these ``keys``."""
    for number, entry in enumerate(entries):
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise ValueError(
                f'{path}: {what} number {number} has no "{missing[0]}": COCO annotation files need '
                f'{", ".join(keys)} for every {what}.'
            )


def check_references(path: Path, data: dict, objects: list[dict]) -> None:
    """Checks what the parts of a file say of one another.

    Args:
        path: The file.
        data: What is in it.
        objects: Dicts with ``category_id`` and ``image_id``.

    Raises:
        ValueError: Two categories share an id or a name, or an object belongs to a category or to
            an image that ``data`` lacks.
    """
    for key in ('id', 'name'):
        values = [category[key] for category in data['categories']]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ValueError(
                f'{path} has two categories with the {key} {twice!r}: give every class its own.'
            )
    unknown = {entry['category_id'] for entry in objects} - {
        category['id'] for category in data['categories']
    }
    if unknown:
        raise ValueError(
            f'{path} has objects of category {min(unknown)}, which its "categories" do not list: '
            'add that category or remove the objects.'
        )
    strays = {entry['image_id'] for entry in objects} - {entry['id'] for entry in data['images']}
    if strays:
        raise ValueError(
            f'{path} has objects in image {min(strays)}, which its "images" do not list: add that '
            'image or remove the objects.'
        )


def summary(data: dict, objects: list[dict]) -> dict:
    """The fields of :class:`Annotations` but its path."""
    return dict(
        categories=tuple((entry['id'], entry['name']) for entry in data['categories']),
        used=frozenset(entry['category_id'] for entry in objects),
        file_names=tuple(entry['file_name'] for entry in data['images']),
    )


def check_same_classes(train: Annotations, other: Annotations) -> None:
    """Raises ValueError unless ``other`` lists the classes of ``train``, with the same ids in the
    same order: the label of a class is its place in that list."""
    unknown = [name for name in other.classes if name not in train.classes]
    if unknown:
        raise ValueError(
            f'{other.path} has the class {unknown[0]!r}, which {train.path} lacks: add it to the '
            f'"categories" of {train.path.name}, or remove it from {other.path.name}.'
        )
    if other.categories != train.categories:
        raise ValueError(
            f'{other.path} lists its categories otherwise than {train.path}: give both files the '
            'same "categories" (names, ids and order).'
        )
    unseen = other.used - train.used
    if unseen:
        name = dict(train.categories)[min(unseen)]
        raise ValueError(
            f'{other.path} has objects of the class {name!r}, of which {train.path} has none: '
            'divide the pictures anew, so that every class can be learnt.'
        )


def read_splits(
    root: Path, name: str, read: Callable[[Path], Annotations]
) -> dict[str, Annotations]:
    """The parts of a folder that a config trains, validates and tests on.

    Args:
        root: The folder.
        name: The name of its annotation files, with '{}' for 'train', 'val' and 'test'.
        read: Reads such a file.

    Returns:
        What was read, by part; where there is no file to test on, 'test' is 'val'.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is wrong, or the files list different classes.
    """
    splits = {split: read(root / name.format(split)) for split in ('train', 'val')}
    test = root / name.format('test')
    splits['test'] = read(test) if test.exists() else splits['val']
    for split in ('val', 'test'):
        check_same_classes(splits['train'], splits[split])
    return splits


def image_prefix(root: Path, found: Annotations) -> str:
    """Where under ``root`` the pictures of a part lie; FileNotFoundError where some are missing."""
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
    """Has a config read other files.

    Args:
        cfg: An mmengine Config, edited in place.
        split: 'train', 'val' or 'test'.
        dataset: Settings for the data sets that it reads there.
        metric: Settings for the metrics that read an annotation file there.
    """
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
