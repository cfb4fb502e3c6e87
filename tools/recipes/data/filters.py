"""What the parents leave out of training and scoring, counted as they decide it."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from .records import RUNS, Annotated
from .report import Report, plural
from .use import Use

CLASSES_SHOWN = 12


@dataclass
class Left:
    """What is left of a split.

    Args:
        counts: Objects of each class.
        objects: How many objects are left out, by reason.
        pictures: The same of pictures.
        remedies: What to do about a reason.
    """

    counts: np.ndarray
    objects: Counter = field(default_factory=Counter)
    pictures: Counter = field(default_factory=Counter)
    remedies: dict[str, str] = field(default_factory=dict)

    def told(self, what: str) -> str:
        """What is left out and why, where objects are called ``what``."""
        parts = [f'{plural(count, what)} {why}' for why, count in self.objects.most_common()]
        parts += [f'{plural(count, "picture")} {why}' for why, count in self.pictures.items()]
        return '; '.join(parts)


def count_left(found: Annotated, use: Use, labels: np.ndarray) -> Left:
    """Counts what is left, and what is left out and why.

    Args:
        found: The split.
        use: How it is used.
        labels: The label of every object, -1 of those whose class is not known.
    """
    objects = found.objects
    sound = (objects.picture >= 0) & ~np.isnan(objects.box[:, 0])
    left, result = sound, Left(np.zeros(0, int))
    for reason, remedy, out in _reasons(found, use, labels):
        count = int((left & out).sum())
        if count:
            result.objects[reason] = count
            result.remedies[reason] = remedy
        left = left & ~out
    # mmdet keeps a picture whose objects it drops one by one, a panoptic one without things not
    counted = sound & (labels >= 0)
    if use.things is not None:
        counted = left & np.array([bool(c.thing) for c in found.categories])[objects.category]
    stay = _pictures_left(found, use, np.unique(objects.picture[counted]), result)
    left = left & stay[objects.picture]
    result.counts = np.bincount(labels[left], minlength=len(use.classes or found.classes))
    return result


def _reasons(found: Annotated, use: Use, labels: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    """Why objects take no part, in the order of mmdet's code: what, what to do, and which."""
    objects = found.objects
    x, y, w, h = objects.box.T
    reasons = [('marked "ignore"', 'take the mark away', objects.ignored)]
    if use.things is None and found.path.suffix == '.json':
        width, height = found.pictures.sizes[objects.picture].T
        outside = (np.minimum(x + w, width) <= np.maximum(x, 0)) | (
            np.minimum(y + h, height) <= np.maximum(y, 0)
        )
        reasons.append(('outside their pictures', 'write boxes in pixels', outside))
    reasons += [
        (
            'of an "area" of 0',
            'write the area in pixels, or leave it out',
            objects.area <= 0,
        ),
        (
            'narrower than a pixel',
            'write boxes as [x, y, width, height] in pixels',
            (w < 1) | (h < 1),
        ),
        ('of other classes', 'give the config the classes of the file', labels < 0),
        ('that are crowds ("iscrowd" 1)', 'write "iscrowd" 0 for single objects', objects.crowd),
    ]
    if use.trains and use.masks and use.polygons_only:
        reasons.append(
            (
                'with run lengths, where this config takes polygons alone',
                'set poly2mask=True in its LoadAnnotations',
                objects.mask == RUNS,
            )
        )
    least = use.filters.get('bbox_min_size')
    if least and found.path.suffix != '.json':
        reasons.append(
            (
                f'narrower than {least} pixels',
                f'lower {use.setting}.bbox_min_size',
                (w < least) | (h < least),
            )
        )
    return reasons


def _pictures_left(found: Annotated, use: Use, filled: np.ndarray, result: Left) -> np.ndarray:
    """Which pictures stay, as (N,) bool; ``filled`` are the rows of those with objects."""
    sides = found.pictures.sizes.min(1)
    without = np.ones(len(sides), bool)
    without[filled] = False
    if not use.filters.get('filter_empty_gt'):
        without[:] = False
    least = use.filters.get('min_size', 0)
    small = (sides < least) & (sides > 0) & ~without
    reasons = {f'without {use.what if use.things is None else "thing"}s': without}
    reasons[f'under {least} pixels'] = small
    for reason, out in reasons.items():
        if out.any():
            result.pictures[reason] = int(out.sum())
    return ~(without | small)


def judge_left(report: Report, found: Annotated, use: Use, left: Left, hint: str) -> None:
    """Adds the lines of the summary, and what is wrong where little or nothing is left.

    Args:
        report: Edited in place.
        found: The split.
        use: How it is used.
        left: What is left of it.
        hint: What to do about boxes, where that is known.
    """
    told, objects = left.told(use.what), len(found.objects)
    report.summary += [
        f'{use.split}: {found.path}, {plural(len(found.pictures.names), "picture")} '
        f'({size_range(found.pictures.sizes)}), {plural(objects, use.what)}',
        f'  {"to learn from" if use.trains else "to score"}: {_by_class(found, use, left.counts)}',
    ]
    bare = len(found.pictures.names) - len(np.unique(found.objects.picture))
    if bare and not any('without' in reason for reason in left.pictures):
        report.summary.append(f'  {plural(bare, "picture")} without {use.what}s')
    if told:
        report.summary.append(f'  left out: {told}')
    if not left.counts.sum():
        none = f'none of its {plural(objects, use.what)} is left'
        remedy = hint or _remedy(found, use, left)
        if use.trains:
            report.error(found.path, f'{none} to learn from (left out: {told}): {remedy}.')
        else:
            report.warn(found.path, f'{none} to score (left out: {told}): {remedy}.')
        return
    for what, out, whole in (
        (use.what, left.objects.total(), objects),
        ('picture', left.pictures.total(), len(found.pictures.names)),
    ):
        if out > whole / 2:
            report.warn(found.path, f'over half of its {what}s are left out: {told}.', out)


def _remedy(found: Annotated, use: Use, left: Left) -> str:
    if left.objects:
        return left.remedies[left.objects.most_common(1)[0][0]]
    least = int(found.pictures.sizes.min())
    return f'enlarge the pictures, or add --cfg-options {use.setting}.min_size={least}'


def _by_class(found: Annotated, use: Use, counts: np.ndarray) -> str:
    classes = use.classes or found.classes
    order = np.argsort(-counts, kind='stable')
    shown = [f'{classes[label]} {counts[label]}' for label in order if counts[label]]
    if len(shown) > CLASSES_SHOWN:
        rest = len(shown) - CLASSES_SHOWN
        shown = [*shown[: CLASSES_SHOWN - 2], f'{rest} more', *shown[-2:]]
    return ', '.join(shown) or 'nothing'


def size_range(sizes: np.ndarray) -> str:
    """'128x96', or '64x48 to 640x480' of (N, 2) widths and heights in pixels."""
    least, most = (times(size) for size in (sizes.min(0), sizes.max(0)))
    return least if least == most else f'{least} to {most}'


def times(size) -> str:
    """'128x96' of a width and a height."""
    return f'{int(size[0])}x{int(size[1])}'
