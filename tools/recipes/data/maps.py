"""Pictures and the maps of their pixels: what is wrong with them, and which values occur.

Label maps and depth maps are the two kinds.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .filters import size_range, times
from .objects import judge_files
from .report import Report, listed, plural
from .survey import (
    look_at_map,
    look_at_picture,
    remembered_beside,
    shown_size,
    survey,
)

# depths in millimetres of which one doubts the unit: all below 10 cm, or all beyond 1 km
NEAR, FAR = 100, 1_000_000
SHOWN = 6


@dataclass(frozen=True)
class Kind:
    """A kind of maps.

    Args:
        folder: Where they lie in a folder for ``--data``.
        name: What one of them is called.
        values: What the values of its one channel are.
        key: What a data set's ``data_prefix`` calls their folder.
    """

    folder: str
    name: str
    values: str
    key: str


LABELS = Kind('semantic', 'label map', 'the numbers of the classes', 'seg_map_path')
DEPTHS = Kind('depth', 'depth map', 'depths in millimetres', 'depth_map_path')


@dataclass
class MapUse:
    """How a run uses pictures and their maps.

    Args:
        split: 'train', 'val' or 'test'.
        kind: Of the maps.
        images: The folder of the pictures.
        maps: The folder of the maps.
        pairs: Each picture with its map.
        classes: Of label maps, the names.
        labels: Of label maps, the label that training makes of each value, where it is another.
        ignored: Of label maps, the label that is left out.
    """

    split: str
    kind: Kind
    images: Path
    maps: Path
    pairs: list[tuple[str, str]]
    classes: tuple[str, ...] = ()
    labels: dict[int, int] = field(default_factory=dict)
    ignored: int = 255


def look_at_maps(maps: Path, paths: list[str], kind: Kind) -> list[list]:
    """What :func:`look_at_map` says of each map of the folder ``maps``."""
    return survey(look_at_map, paths, remembered_beside(maps), f'Checking {kind.name}s')


def judge_maps(report: Report, use: MapUse) -> np.ndarray:
    """Adds to ``report`` what can be known of a split with maps.

    Args:
        report: Edited in place.
        use: The split, and how it is used.

    Returns:
        How many pixels each class has; of depths, how many are known.
    """
    pictures, maps = (list(paths) for paths in zip(*use.pairs, strict=True))
    looks = survey(look_at_picture, pictures, remembered_beside(use.images), 'Checking pictures')
    judge_files(report, use.images, pictures, looks)
    seen = look_at_maps(use.maps, maps, use.kind)
    sound = _judge_files(report, use, looks, seen)
    values = Counter()
    for look in sound:
        values.update(dict(map(tuple, look[4])))
    sizes = np.array([shown_size(look) for look in looks if look and look[0]])
    report.summary.append(
        f'{use.split}: {use.maps}, {plural(len(pictures), "picture")}'
        + (f' ({size_range(sizes)})' if len(sizes) else '')
    )
    if not values:
        return np.zeros(max(1, len(use.classes)), int)
    return (_judge_labels if use.kind is LABELS else _judge_depths)(report, use, seen, values)


def _judge_files(report: Report, use: MapUse, looks: list, seen: list) -> list[list]:
    """Adds what is wrong with maps as files; returns what was seen of the others."""
    problems, sound = {}, []
    for (picture, path), look, found in zip(use.pairs, looks, seen, strict=True):
        problem, what = _problem(use.kind, picture, look, found)
        if problem:
            problems.setdefault(problem, []).append((path, what))
        else:
            sound.append(found)
    for there in problems.values():
        path, what = there[0]
        more = f' ({len(there)} such maps of {len(seen)})' if len(there) > 1 else ''
        report.error(path, f'{what}{more}.', len(there))
    return sound


def _problem(kind: Kind, picture: str, look: list, found: list) -> tuple[str, str]:
    """The kind of what is wrong with a map as a file, and what it is; ('', '') of a sound one."""
    if not found:
        return 'missing', 'it is missing: put the map of its picture there'
    if found[3] == 'unreadable':
        return 'unreadable', 'it is not a PNG that can be read: export it again'
    if found[3]:
        return 'colours', (
            f'it is a colour picture: a {kind.name} has one channel, whose values are {kind.values}'
        )
    size = shown_size(look) if look and look[0] else tuple(found[:2])
    if tuple(found[:2]) != size:
        return 'size', (
            f'it has {times(found)} pixels, but its picture {picture} has {times(size)}: make them '
            'equal'
        )
    if kind is DEPTHS and found[2] == 8:
        return 'bits', (
            f'it has 8 bits: a depth map is a PNG of 16 bits, whose values are {kind.values}'
        )
    return '', ''


def _judge_labels(report: Report, use: MapUse, seen: list, values: Counter) -> np.ndarray:
    whole = sum(values.values())
    made = {value: use.labels.get(value, value) for value in values}
    counts = np.zeros(len(use.classes), int)
    for value, count in values.items():
        if made[value] < len(use.classes):
            counts[made[value]] += count
    occurring = listed(
        (f'{value:g} ({_share(count / whole)})' for value, count in values.most_common()), SHOWN
    )
    if not use.classes:
        report.summary.append(f'  values: {occurring}')
        return counts
    beyond = _judge_values(report, use, seen, made, occurring)
    shown = [
        f'{use.classes[i]} {_share(counts[i] / whole)}'
        for i in np.argsort(-counts, kind='stable')
        if counts[i]
    ]
    left_out = sum(count for value, count in values.items() if made[value] == use.ignored)
    report.summary.append(
        f'  pixels: {listed(shown, 12) or "of no class"}; left out {_share(left_out / whole)}'
    )
    never = [name for name, count in zip(use.classes, counts, strict=True) if not count]
    if use.split != 'train' or beyond:
        return counts
    # a model of one class tells it from everything else
    if len(use.classes) - len(never) < min(2, len(use.classes)):
        hint = (
            f': {use.ignored} marks pixels that are left out, so write {len(use.classes) - 1} for '
            f'{use.classes[-1]!r}'
            if values.get(255) and len(use.classes) == 2
            else ': give pixels the numbers of their classes'
        )
        there = [name for name in use.classes if name not in never]
        report.error(
            use.maps,
            f'the only class that occurs is {there[0]!r}{hint}; values that occur: {occurring}.'
            if there
            else f'none of the classes occurs{hint}; values that occur: {occurring}.',
            len(never),
        )
    elif never:
        report.warn(
            use.maps,
            f'{plural(len(never), "class", "classes")} never occur and cannot be learnt '
            f'({listed(never)}); values that occur: {occurring}.',
            len(never),
        )
    return counts


def _judge_values(
    report: Report, use: MapUse, seen: list, made: dict[int, int], occurring: str
) -> bool:
    """Tells of values beyond the classes, where there are any; ``made`` has the label of each."""
    beyond = {
        value for value, label in made.items() if label >= len(use.classes) and label != use.ignored
    }
    at = [
        path
        for (_, path), look in zip(use.pairs, seen, strict=True)
        if look and beyond & {value for value, _ in look[4]}
    ]
    if at:
        report.error(
            at[0],
            f'it has the value {max(beyond):g}, but there are {len(use.classes)} classes, and '
            f'{use.ignored} marks pixels that are left out ({plural(len(at), "such map")}); values '
            f'that occur: {occurring}.',
            len(at),
        )
    return bool(at)


def _share(part: float) -> str:
    return f'{100 * part:.3g} %'


def _judge_depths(report: Report, use: MapUse, seen: list, values: Counter) -> np.ndarray:
    empty = [
        path
        for (_, path), look in zip(use.pairs, seen, strict=True)
        if look and look[2] > 8 and not any(value for value, _ in look[4])
    ]
    if empty:
        tell = report.error if use.split == 'train' and len(empty) == len(seen) else report.warn
        tell(
            empty[0],
            f'it knows no depth ({len(empty)} of {plural(len(seen), "map")}): values are '
            'millimetres, and 0 marks pixels without one.',
            len(empty),
        )
    known = [value for value in values if value]
    if not known:
        return np.zeros(1, int)
    least, most = min(known), max(known)
    count = sum(count for value, count in values.items() if value)
    report.summary.append(
        f'  depths: {least:g} to {most:g} mm, known of {_share(count / sum(values.values()))} of '
        'the pixels'
    )
    if most < NEAR or least > FAR:
        report.warn(
            use.maps,
            f'depths go from {least:g} to {most:g} mm: values are millimetres, so multiply metres '
            'by 1000.',
            len(seen),
        )
    return np.array([count])
