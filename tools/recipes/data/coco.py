"""COCO JSON, of boxes and masks or of panoptic segments, read into plain arrays."""

import gc
import json
import math
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np

from .columns import (
    AREA,
    BOX,
    FLAG,
    ID,
    LIST,
    MISSING,
    NAME,
    SEGMENT,
    SIDE,
    TEXT,
    WHOLE,
    dicts,
    take,
)
from .records import (
    NO_MASK,
    POLYGONS,
    RUNS,
    WRONG_MASK,
    Annotated,
    Category,
    Objects,
    Pictures,
)
from .report import Report, Unusable, plural

LARGE = 50_000_000  # bytes of a file whose reading takes seconds
KEPT = ('id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd', 'ignore', 'segmentation')
LISTS = 'a COCO annotation file needs non-empty lists "images", "annotations" and "categories"'
NAN4 = (math.nan,) * 4


def read_coco(path: str | Path) -> Annotated:
    """Reads COCO detection JSON.

    Values that are wrong become findings of the result, so that all of them are told at once.

    Args:
        path: The file. Where nothing about it changed since, it is not read again.

    Raises:
        FileNotFoundError: There is no such file.
        Unusable: It is not JSON, or has no lists of pictures and categories.
    """
    return _read_as(_objects, path)


def read_panoptic(path: str | Path) -> Annotated:
    """Reads COCO panoptic JSON; objects of the result are its segments, else as :func:`read_coco`.

    Raises:
        FileNotFoundError: There is no such file.
        Unusable: It is not JSON, or has no lists of pictures and categories.
    """
    return _read_as(_segments, path)


def _read_as(read_entries, path: str | Path) -> Annotated:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: put the annotation file there.')
    found = path.stat()
    return _read(read_entries, path, (found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=6)
def _read(read_entries, path: Path, stamp: tuple[int, int]) -> Annotated:
    # collecting garbage while a million lists are made doubles the time
    enabled = gc.isenabled()
    gc.disable()
    try:
        data, mends = load_json(path, object_hook=_compact)
        report = Report()
        categories = _categories(report, path, data['categories'], read_entries is _segments)
        mends += _names_mended(data['categories'])
        pictures, rows = _pictures(report, path, data['images'])
        entries = data.get('annotations')
        labelled = isinstance(entries, list)
        entries = dicts(report, path, 'annotation', entries if labelled else [])
        objects, problems, more = read_entries(report, path, entries, rows, categories)
        return Annotated(
            path, categories, pictures, objects, labelled, problems, mends + more, report.findings
        )
    finally:
        if enabled:
            gc.enable()


def load_json(path: Path, **options) -> tuple[dict, list[str]]:
    """What is in a COCO file, with non-empty lists "images" and "categories".

    Args:
        path: The file.
        options: For ``json.loads``.

    Returns:
        The content, and what a copy would mend.

    Raises:
        Unusable: It is no such file.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Unusable(path, f'it cannot be read ({error.strerror}).') from None
    if not raw:
        raise Unusable(path, 'it is empty: export it again.')
    if len(raw) > LARGE:
        print(f'Reading {path} ({len(raw) / 1e6:.0f} MB)', file=sys.stderr, flush=True)
    marked = raw.startswith(b'\xef\xbb\xbf')
    try:
        text = raw.decode('utf-8-sig')
        del raw
        data = json.loads(text, **options)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Unusable(path, f'it is not valid JSON ({error}): export it again.') from None
    except RecursionError:
        raise Unusable(path, 'it is no COCO file: its lists are nested too deep.') from None
    for key in ('images', 'categories'):
        entries = data.get(key) if isinstance(data, dict) else None
        if not isinstance(entries, list) or not entries:
            raise Unusable(path, f'it has no "{key}": {LISTS}.')
    return data, ['it starts with a byte order mark'] if marked else []


def _compact(entry: dict) -> dict:
    """What is needed of an annotation, its mask measured: a file of a million is large."""
    if 'segmentation' in entry:
        entry = {key: entry[key] for key in KEPT if key in entry}
        entry['segmentation'] = measure(entry['segmentation'])
    return entry


def measure(mask) -> tuple:
    """What a "segmentation" is.

    Returns:
        Its kind, what is wrong with it ('' if nothing), and its extent (:class:`Objects`).
    """
    if not mask:
        return (NO_MASK, 'is empty', *NAN4)
    if isinstance(mask, dict):
        return _measure_runs(mask)
    if not isinstance(mask, list):
        return (WRONG_MASK, f'is a {type(mask).__name__}', *NAN4)
    left = top = math.inf
    right = bottom = -math.inf
    for polygon in mask:
        if type(polygon) is not list:
            return (WRONG_MASK, 'is a flat list, where a list of polygons belongs', *NAN4)
        if len(polygon) < 6 or len(polygon) % 2:
            return (WRONG_MASK, f'has a polygon of {len(polygon)} numbers', *NAN4)
        xs, ys = polygon[::2], polygon[1::2]
        try:
            if not math.isfinite(sum(polygon)):
                return (WRONG_MASK, 'has a polygon with NaN or infinity', *NAN4)
        except TypeError:
            return (WRONG_MASK, 'has a polygon of other things than numbers', *NAN4)
        left, right = min(left, min(xs)), max(right, max(xs))
        top, bottom = min(top, min(ys)), max(bottom, max(ys))
    return (POLYGONS, '', left, top, right, bottom)


def _measure_runs(mask: dict) -> tuple:
    size, counts = mask.get('size'), mask.get('counts')
    if not isinstance(size, list) or [type(side) for side in size] != [int, int]:
        return (WRONG_MASK, 'has run lengths without a "size" [height, width]', *NAN4)
    if not counts or not isinstance(counts, (list, str)):
        return (WRONG_MASK, 'has run lengths without "counts"', *NAN4)
    runs = counts if isinstance(counts, list) else unpack_runs(counts)
    try:
        whole = sum(runs) == size[0] * size[1] and min(runs) >= 0
    except TypeError:
        whole = False
    if not whole:
        return (WRONG_MASK, f'has run lengths that do not add up to its size {size}', *NAN4)
    return (RUNS, '', 0.0, 0.0, float(size[1]), float(size[0]))


def unpack_runs(text: str) -> list[int]:
    """The run lengths that COCO's compressed text stands for.

    A number has its five lowest bits first, each group as a character from '0' on whose sixth bit
    says that more follow; the last group carries the sign. From the fourth on, it is the
    difference from the run two before.
    """
    runs, number, shift = [], 0, 0
    for character in text:
        code = ord(character) - 48
        number |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            number -= 1 << shift
        runs.append(number + runs[-2] if len(runs) > 2 else number)
        number = shift = 0
    return runs


def _categories(report: Report, path: Path, entries: list, panoptic: bool) -> list[Category]:
    entries = dicts(report, path, 'category', entries)
    ids = take(report, path, 'category', entries, 'id', WHOLE)
    names = take(report, path, 'category', entries, 'name', NAME)
    names = [name if name is None else str(name) for name in names]
    things = [None] * len(ids)
    if panoptic:
        things = take(report, path, 'category', entries, 'isthing', FLAG)
    for key, values in (('id', ids), ('name', names)):
        twice = _twice(values)
        if twice:
            report.error(
                path,
                f'two categories have the {key} {twice[0]!r}: give every class its own.',
                len(twice),
            )
    return [
        Category(*values)
        for values in zip(
            ids, map(str, names), (None if t is None else bool(t) for t in things), strict=True
        )
    ]


def _names_mended(entries: list) -> list[str]:
    numbers = [
        entry['name']
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get('name'), (int, float))
    ]
    return [f'{plural(len(numbers), "class name")} are numbers, not texts'] if numbers else []


def _twice(values: list) -> list:
    return [value for value, count in Counter(values).items() if count > 1 and value is not None]


def _pictures(report: Report, path: Path, entries: list) -> tuple[Pictures, dict]:
    """The pictures, and the row of each id."""
    entries = dicts(report, path, 'image', entries)
    ids = take(report, path, 'image', entries, 'id', ID)
    names = take(report, path, 'image', entries, 'file_name', TEXT)
    sides = [take(report, path, 'image', entries, side, SIDE) for side in ('width', 'height')]
    twice = _twice(ids)
    if twice:
        report.error(
            path,
            f'{plural(len(twice), "id")} of pictures occur twice, for instance {twice[0]!r}, and '
            'the first picture of each would be lost: give every image its own id.',
            len(twice),
        )
    twice = _twice(names)
    if twice:
        report.warn(
            path,
            f'{plural(len(twice), "picture")} are listed twice, for instance {twice[0]!r}: list '
            'each once, with all its objects.',
            len(twice),
        )
    sizes = np.array([[side or 0 for side in pair] for pair in sides], np.int64).T
    rows = {key: row for row, key in enumerate(ids) if key is not None}
    return Pictures([name or '' for name in names], sizes.reshape(-1, 2)), rows


def _find_rows(
    report: Report, path: Path, what: str, keys: list, rows: dict, lists: str
) -> np.ndarray:
    """The rows of ``keys``, -1 of those that ``rows`` lacks, which are reported."""
    found = np.array([rows.get(key, -1) for key in keys], np.int64)
    strays = [key for key in dict.fromkeys(keys) if key not in rows and key is not None]
    if strays:
        report.error(
            path,
            f'it has {what} {strays[0]!r}, which its "{lists}" do not list: add it there or '
            'remove these entries.',
            len(strays),
        )
    return found


def _objects(
    report: Report, path: Path, entries: list[dict], rows: dict, categories: list[Category]
) -> tuple[Objects, list[tuple[int, str]], list[str]]:
    """The objects, what is wrong with masks, and what a copy of the file would mend."""
    images = take(report, path, 'annotation', entries, 'image_id', ID)
    kinds = take(report, path, 'annotation', entries, 'category_id', WHOLE)
    boxes = take(report, path, 'annotation', entries, 'bbox', BOX)
    mends = _ids_mended(entries)
    areas = _given(report, path, entries, 'area', AREA, mends)
    crowds = _given(report, path, entries, 'iscrowd', FLAG, mends)
    box = np.array([value or NAN4 for value in boxes], np.float64).reshape(-1, 4)
    area = np.array([math.nan if value is None else value for value in areas], np.float64)
    area = np.where(np.isnan(area), box[:, 2] * box[:, 3], area)
    nothing = (NO_MASK, 'is missing', *NAN4)
    masks = [entry.get('segmentation', nothing) for entry in entries]
    numbers = np.array([(mask[0], *mask[2:]) for mask in masks], np.float64).reshape(-1, 5)
    places = {category.id: place for place, category in enumerate(categories)}
    objects = Objects(
        ids=np.zeros(len(entries), np.int64),
        picture=_find_rows(report, path, 'objects in image', images, rows, 'images'),
        category=_find_rows(report, path, 'objects of category', kinds, places, 'categories'),
        box=box,
        area=area,
        crowd=np.array([bool(value) for value in crowds], bool),
        ignored=np.array([bool(entry.get('ignore')) for entry in entries], bool),
        mask=numbers[:, 0].astype(np.uint8),
        extent=numbers[:, 1:],
    )
    problems = [(row, mask[1]) for row, mask in enumerate(masks) if mask[1]]
    return objects, problems, mends


def _ids_mended(entries: list[dict]) -> list[str]:
    ids = [entry.get('id', MISSING) for entry in entries]
    # pycocotools takes id 0 for "no match", and counts in numbers
    if not set(map(type, ids)) <= {int}:
        wrong = sum(type(value) is not int for value in ids)
        return [f'{plural(wrong, "annotation")} have no whole number as "id"']
    if len(set(ids)) < len(ids):
        return [f'{plural(len(ids) - len(set(ids)), "annotation id")} occur more than once']
    return ['an annotation has the id 0, which scoring takes for none'] if 0 in ids else []


def _given(report: Report, path: Path, entries: list[dict], key: str, kind, mends: list) -> list:
    """Values that are ours to give where they are missing."""
    values = [entry.get(key) for entry in entries]
    missing = values.count(None)
    if not missing:
        return take(report, path, 'annotation', entries, key, kind)
    mends.append(f'{plural(missing, "annotation")} have no "{key}"')
    there = [entry for entry in entries if entry.get(key) is not None]
    taken = iter(take(report, path, 'annotation', there, key, kind))
    return [None if value is None else next(taken) for value in values]


def _segments(
    report: Report, path: Path, entries: list[dict], rows: dict, categories: list[Category]
) -> tuple[Objects, list, list[str]]:
    """As :func:`_objects`, of panoptic annotations, each of which has the segments of a picture."""
    owners = take(report, path, 'annotation', entries, 'image_id', ID)
    lists = take(report, path, 'annotation', entries, 'segments_info', LIST)
    images = [owner for owner, found in zip(owners, lists, strict=True) for _ in found or ()]
    segments = dicts(report, path, 'segment', [part for found in lists for part in found or ()])
    ids = take(report, path, 'segment', segments, 'id', SEGMENT)
    kinds = take(report, path, 'segment', segments, 'category_id', WHOLE)
    boxes = take(report, path, 'segment', segments, 'bbox', BOX)
    areas = take(report, path, 'segment', segments, 'area', AREA)
    crowds = take(report, path, 'segment', segments, 'iscrowd', FLAG)
    places = {category.id: place for place, category in enumerate(categories)}
    count = len(segments)
    twice = _twice(list(zip(images, ids, strict=True)))
    if twice:
        report.error(
            path,
            f'{plural(len(twice), "segment")} share an id with another one of their picture, for '
            f'instance {twice[0][1]} in image {twice[0][0]!r}: give every segment of a picture its '
            'own id.',
            len(twice),
        )
    objects = Objects(
        ids=np.array([-1 if value is None else value for value in ids], np.int64),
        picture=_find_rows(report, path, 'segments in image', images, rows, 'images'),
        category=_find_rows(report, path, 'segments of category', kinds, places, 'categories'),
        box=np.array([value or NAN4 for value in boxes], np.float64).reshape(-1, 4),
        area=np.array([math.nan if value is None else value for value in areas], np.float64),
        crowd=np.array([bool(value) for value in crowds], bool),
        ignored=np.zeros(count, bool),
        mask=np.zeros(count, np.uint8),
        extent=np.full((count, 4), math.nan),
    )
    return objects, [], []
