"""Panoptic PNGs against the segments that their JSON lists."""

from pathlib import Path

import numpy as np

from .records import Annotated
from .report import Report, plural
from .survey import look_at_segments, remembered_beside, survey
from .use import Use

# mmdet looks for the PNG of a picture under the picture's name, with .png in place of .jpg
PICTURES = ('.jpg', '.png')


def label_map_name(picture: str) -> str:
    """The PNG of a picture, as mmdet looks for it."""
    return picture.replace('.jpg', '.png')


def judge_segments(report: Report, found: Annotated, use: Use, maps: Path) -> None:
    """Adds to ``report`` where the PNGs in ``maps`` and the segments of a file do not fit."""
    other = [n for n in found.pictures.names if '/' in n or not n.endswith(PICTURES)]
    if other:
        report.error(
            found.path,
            f'it names the picture {other[0]!r} ({len(other)} such names): panoptic training takes '
            '.jpg and .png pictures whose names have no folder in them.',
            len(other),
        )
        return
    names = [label_map_name(name) for name in found.pictures.names]
    looks = survey(
        look_at_segments,
        [str(maps / name) for name in names],
        remembered_beside(maps),
        'Checking panoptic PNGs',
    )
    objects = found.objects
    order = np.argsort(objects.picture, kind='stable')
    starts = np.searchsorted(objects.picture[order], np.arange(len(names) + 1))
    problems, absent, strange = {}, [], []
    for row, (name, look) in enumerate(zip(names, looks, strict=True)):
        size = tuple(found.pictures.sizes[row])
        if not look:
            problems.setdefault('is missing', []).append(name)
        elif look[2] == 'unreadable':
            problems.setdefault('is not a PNG that can be read', []).append(name)
        elif look[2] == 'gray':
            problems.setdefault(
                'is gray, but the colours red, green, blue of its pixels must give ids of segments '
                'as red + 256 green + 65536 blue',
                [],
            ).append(name)
        elif all(size) and tuple(look[:2]) != size:
            problems.setdefault(
                f'has another size than its picture, {size[0]}x{size[1]} in the JSON', []
            ).append(name)
        else:
            listed = set(objects.ids[order[starts[row] : starts[row + 1]]].tolist())
            drawn = {value for value, _ in look[3]} - {0}
            absent += [(name, value) for value in sorted(listed - drawn)]
            strange += [(name, value) for value in sorted(drawn - listed)]
    for what, there in problems.items():
        report.error(
            maps / there[0],
            f'it {what} ({len(there)} of {plural(len(names), "PNG")}): export the PNGs again.',
            len(there),
        )
    if absent:
        name, value = absent[0]
        report.error(
            found.path,
            f'the segment {value} of {maps / name} is not in that PNG ({len(absent)} of '
            f'{plural(len(objects), "segment")}): a pixel of it has red + 256 green + 65536 blue '
            'equal to its "id", so export JSON and PNGs together.',
            len(absent),
        )
    if strange:
        name, value = strange[0]
        report.warn(
            found.path,
            f'{maps / name} has pixels of the id {value}, which "segments_info" does not list '
            f'({plural(len(strange), "such segment")}): they are left out.',
            len(strange),
        )
