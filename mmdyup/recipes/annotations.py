"""Reading a COCO annotation file that somebody made, and saying what is wrong with it."""

import json
from dataclasses import dataclass
from pathlib import Path

ANNOTATION_KEYS = ('image_id', 'category_id', 'bbox', 'area', 'iscrowd')
IMAGE_KEYS = ('id', 'file_name', 'width', 'height')


@dataclass(frozen=True)
class Annotations:
    """What a config needs to know of a COCO annotation file: its path, the names of its classes in
    the order of their labels, the ids that have objects, and the names of its pictures."""

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
    """Read and check the COCO annotation file at `path`; `masks` asks for a segmentation of every
    object.

    Raises FileNotFoundError when there is no such file and ValueError when it is not COCO
    detection JSON, holds no pictures, objects or classes, or lacks a field that training needs.
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
    """The JSON at `path`, with lists of images, annotations and categories that are not empty;
    `layout` is the sentence that tells where such files are looked for.

    Raises FileNotFoundError and ValueError, as `read_annotations` does.
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
    """Raise ValueError unless each of the `entries`, called `what`, is a dict with these `keys`."""
    for number, entry in enumerate(entries):
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise ValueError(
                f'{path}: {what} number {number} has no "{missing[0]}": COCO annotation files need '
                f'{", ".join(keys)} for every {what}.'
            )


def check_references(path: Path, data: dict, objects: list[dict]) -> None:
    """Raise ValueError when two categories share an id or a name, or when one of the `objects`
    (dicts with category_id and image_id) belongs to a category or image that `data` lacks."""
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
    """The fields of `Annotations`, but its path."""
    return dict(
        categories=tuple((entry['id'], entry['name']) for entry in data['categories']),
        used=frozenset(entry['category_id'] for entry in objects),
        file_names=tuple(entry['file_name'] for entry in data['images']),
    )


def check_same_classes(train: Annotations, other: Annotations) -> None:
    """Raise ValueError unless `other` lists the classes of `train`, with the same ids in the same
    order: the label of a class is its place in that list."""
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
