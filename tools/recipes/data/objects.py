"""What is wrong with objects and their pictures: the file with itself, and with the pictures."""

import os
from pathlib import Path

import cv2
import numpy as np

from .coco import LISTS
from .filters import count_left, judge_left, times
from .records import POLYGONS, RUNS, Annotated
from .report import Report, listed, plural
from .survey import shown_size
from .use import Use

EDGE = 1.5  # pixels that a box may end beyond its picture, for rounding
FEW = 0.01  # of objects, which a published data set may have
MANY = 0.1  # from this share on, what is odd is told as a warning


def judge(report: Report, found: Annotated, use: Use, looks: list[list] | None) -> np.ndarray:
    """Adds to ``report`` what can be known of a split with objects.

    Args:
        report: Edited in place.
        found: The split.
        use: How it is used.
        looks: Of every picture, what :func:`look_at_picture` says; None where nobody looked.

    Returns:
        How many objects of each class there are to learn from or to score.
    """
    report.add(found.findings)
    if found.mends:
        report.warn(
            found.path, f'{"; ".join(found.mends)}: a run reads a copy in which that is put right.'
        )
    labels = _labels(report, found, use)
    if looks is not None:
        _judge_pictures(report, found, use, looks)
    if not found.labelled or not len(found.objects):
        _nothing_at_all(report, found, use)
        return np.zeros(len(use.classes or found.classes), int)
    if use.masks:
        _judge_masks(report, found, use)
    hint = _judge_boxes(report, found, use)
    left = count_left(found, use, labels)
    judge_left(report, found, use, left, hint)
    return left.counts


def _labels(report: Report, found: Annotated, use: Use) -> np.ndarray:
    """The label of every object, -1 where the config does not know its class."""
    classes = use.classes or found.classes
    labels = np.full(len(found.categories) + 1, -1)
    for place, name in enumerate(found.classes):
        if name in classes:
            labels[place] = classes.index(name)
    listed_there = [name for name in found.classes if name in classes]
    # XML lists no classes, and mmdet goes by names there
    by_name = found.path.suffix != '.json'
    if not by_name and listed_there != list(classes):
        _other_classes(report, found, use, classes, listed_there)
    other = [name for name in found.classes if name not in classes]
    if other and (listed_there or by_name):
        # mmdet leaves objects of boxes out, and fails at segments
        tell = report.warn if use.things is None else report.error
        tell(
            found.path,
            f'{plural(len(other), "class", "classes")} of it ({listed(other)}) are not among those '
            f'that the model learns, and are left out: add them to the training '
            'data, or to the classes of the config, if they are to be learnt.',
            len(other),
        )
    if use.things is not None:
        wrong = [
            category.name
            for category in found.categories
            if category.name in classes and category.thing != (category.name in use.things)
        ]
        if wrong:
            report.error(
                found.path,
                f'{wrong[0]!r} is {"stuff" if wrong[0] in use.things else "a thing"} there and not '
                'where the model learns it: it has other things than the other file, so give every '
                'category the same "isthing" in both.',
                len(wrong),
            )
    return labels[found.objects.category]


def _other_classes(report, found: Annotated, use: Use, classes: tuple, listed_there: list) -> None:
    """mmdet numbers a file's classes in the order of the file."""
    missing = [name for name in classes if name not in found.classes]
    if not listed_there:
        what = f'it has none of the classes that the model learns ({listed(classes)})'
    elif missing:
        what = f'its "categories" lack {listed(map(repr, missing))}'
    else:
        what = (
            f'it lists its categories otherwise ({listed(listed_there)}) than the model learns '
            f'them ({listed(classes)})'
        )
    report.error(
        found.path,
        f'{what}, and labels are places in that list: give all files the same "categories" in the '
        'same order, or the config these classes in its metainfo.',
    )


def _nothing_at_all(report: Report, found: Annotated, use: Use) -> None:
    pictures = plural(len(found.pictures.names), 'picture')
    report.summary.append(f'{use.split}: {found.path}, {pictures}, no objects')
    if use.split == 'test':
        report.labelled = False
        report.warn(
            found.path,
            'it has no annotations, so there is nothing to score: a test draws and writes '
            'predictions.',
        )
        return
    if use.filters.get('filter_empty_gt') is False:
        # as semi-supervised training reads it, beside others
        report.warn(found.path, 'it has no annotations, and its pictures stay all the same.')
        return
    report.error(
        found.path,
        f'it has no "annotations": {LISTS}.',
    )


def _judge_pictures(report: Report, found: Annotated, use: Use, looks: list[list]) -> None:
    """Compares the pictures with what the file says of them."""
    names, sizes = found.pictures.names, found.pictures.sizes
    judge_files(report, use.images, [str(use.images / name) for name in names], looks)
    other, turned, twisted = [], [], []
    for row, (look, size) in enumerate(zip(looks, sizes.tolist(), strict=True)):
        if not look or not look[0] or not all(size):
            continue
        shown = shown_size(look)
        if shown != tuple(size):
            (turned if tuple(look[:2]) == tuple(size) else other).append(row)
        elif look[2] > 1 and (look[2] < 5 or shown[0] == shown[1]):
            twisted.append(row)
    if turned:
        row = turned[0]
        report.error(
            found.path,
            f'{names[row]} is {times(sizes[row])} there, as it is stored, but training sees it '
            f'{times(shown_size(looks[row]))}, turned by its EXIF orientation {looks[row][2]}, so '
            f'boxes would lie beside the things ({len(turned)} such pictures): save the pictures '
            'upright, without that tag.',
            len(turned),
        )
    if other:
        row = other[0]
        report.error(
            found.path,
            f'{names[row]} is {times(sizes[row])} there, but the picture has '
            f'{times(shown_size(looks[row]))} pixels ({len(other)} such pictures): put the right '
            '"width" and "height", and boxes of that size, into the file.',
            len(other),
        )
    if twisted:
        row = twisted[0]
        report.warn(
            found.path,
            f'{names[row]} is turned or mirrored by its EXIF orientation {looks[row][2]} '
            f'({len(twisted)} such pictures): see that boxes were drawn on the picture as it is '
            'shown.',
            len(twisted),
        )


def judge_files(report: Report, folder: Path, paths: list[str], looks: list[list]) -> None:
    """Adds to ``report`` which pictures cannot be read, and which lose some of their bits.

    Args:
        report: Edited in place.
        folder: Where they are.
        paths: The pictures.
        looks: What :func:`look_at_picture` says of each.
    """
    problems = {}
    for path, look in zip(paths, looks, strict=True):
        problem = look[4] if look else 'missing'
        if problem:
            problems.setdefault(problem, []).append(path)
    for problem, there in problems.items():
        name = os.path.relpath(there[0], folder)
        what = f'{name} is {problem} ({len(there)} of {plural(len(paths), "picture")})'
        if problem == 'cut off':
            report.warn(folder, f'{what}: its end is gray in training; copy it again.', len(there))
        elif problem == 'missing':
            report.error(folder, f'{what}: put it there, or take it out of the list.', len(there))
        else:
            report.error(folder, f'{what}: copy it again or take it out.', len(there))
    deep = [path for path, look in zip(paths, looks, strict=True) if look and look[3] > 8]
    if deep:
        report.warn(folder, _deep(deep, len(paths)), len(deep))


def _deep(deep: list[str], count: int) -> str:
    """What becomes of 16 bits, told of the first picture."""
    before = cv2.imread(deep[0], cv2.IMREAD_UNCHANGED)
    after = cv2.imread(deep[0], cv2.IMREAD_COLOR)
    if before is None or after is None:
        change = ''
    else:
        change = (
            f': {before.min():g} to {before.max():g} become {after.min()} to {after.max()} in '
            f'{Path(deep[0]).name}'
        )
    return (
        f'{len(deep)} of {plural(count, "picture")} have more than 8 bits, of which training takes '
        f'the upper 8{change}; scale the values to 0 to 255, if less than all is in use.'
    )


def _judge_masks(report: Report, found: Annotated, use: Use) -> None:
    problems, objects = found.mask_problems, found.objects
    if problems:
        row, what = problems[0]
        more = f' ({len(problems)} of {len(objects)} objects)' if len(problems) > 1 else ''
        # mmdet learns around a polygon that is none, while scoring would fail
        few = use.trains and len(problems) < FEW * len(objects)
        tell = report.warn if few and all('numbers' in why for _, why in problems) else report.error
        tell(
            found.path,
            f'annotation number {row}: its "segmentation" {what}{more}; a mask is a list of '
            'polygons, [[x1, y1, x2, y2, x3, y3, ...], ...], or run lengths.',
            len(problems),
        )
    there = (objects.picture >= 0) & (objects.mask == RUNS)
    size = found.pictures.sizes[objects.picture[there]]
    other = np.flatnonzero(there)[(objects.extent[there, 2:] != size).any(1) & size.all(1)]
    if len(other):
        row = other[0]
        report.error(
            found.path,
            f'annotation number {row}: its run lengths are of {times(objects.extent[row, 2:])} '
            f'pixels, its picture {found.pictures.names[objects.picture[row]]} has '
            f'{times(found.pictures.sizes[objects.picture[row]])} ({len(other)} such masks): '
            'write the "size" as [height, width] of the picture.',
            len(other),
        )
    drawn = objects.mask == POLYGONS
    box, extent = objects.box[drawn], objects.extent[drawn]
    left = np.maximum(box[:, :2], extent[:, :2])
    right = np.minimum(box[:, :2] + box[:, 2:], extent[:, 2:])
    common = np.clip(right - left, 0, None).prod(1)
    whole = box[:, 2:].prod(1) + (extent[:, 2:] - extent[:, :2]).prod(1) - common
    beside = np.flatnonzero(drawn)[common < 0.3 * whole]
    if len(beside) > MANY * len(objects):
        report.warn(
            found.path,
            f'annotation number {beside[0]}: its mask lies elsewhere than its box '
            f'({len(beside)} of {len(objects)} objects): see that both are in pixels, and boxes '
            '[x, y, width, height].',
            len(beside),
        )


def _judge_boxes(report: Report, found: Annotated, use: Use) -> str:
    """Compares boxes with their pictures' sizes.

    Returns:
        What to do where nothing is left because of the boxes.
    """
    objects = found.objects
    known = np.flatnonzero((objects.picture >= 0) & ~np.isnan(objects.box[:, 0]))
    size = found.pictures.sizes[objects.picture[known]].astype(float)
    known, size = known[size.all(1)], size[size.all(1)]
    if not len(known):
        return ''
    start, extent = objects.box[known, :2], objects.box[known, 2:]
    if (np.abs(objects.box[known]) <= 1.5).all() and (size > 4).all():
        return 'its boxes are parts of the picture, from 0 to 1: write them in pixels'
    beyond = (start + extent > size + EDGE).any(1) | (start < -EDGE).any(1)
    # what COCO's own tools round is no mistake
    if not beyond.any():
        return ''
    name = found.pictures.names[objects.picture[known[beyond][0]]]
    box = [float(f'{value:g}') for value in objects.box[known[beyond][0]]]
    what = (
        f'annotation number {known[beyond][0]}: its box {box} ends beyond its picture {name}, '
        f'{times(size[beyond][0])} ({beyond.sum()} of {len(known)} boxes)'
    )
    fit = (extent > start).all(1) & (extent <= size + EDGE).all(1)
    if beyond.mean() > 0.5 and fit.mean() > 0.99:
        report.error(
            found.path,
            f'{what}; as [x1, y1, x2, y2] all would fit: write boxes as [x, y, width, height].',
            beyond.sum(),
        )
    elif beyond.mean() > MANY:
        report.warn(
            found.path,
            f'{what}: see that boxes are [x, y, width, height] in pixels of these pictures.',
            beyond.sum(),
        )
    else:
        report.warn(
            found.path,
            f'{what}: boxes are cut at the edges of their pictures.',
            beyond.sum(),
        )
    return ''
