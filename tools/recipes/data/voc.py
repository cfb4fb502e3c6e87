"""Data sets in VOC's layout, a list of names and an XML file a picture, read into plain arrays."""

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from .records import Annotated, Category, Objects, Pictures
from .report import Report
from .survey import remembered_beside, survey

CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')


def read_voc(path: Path, root: Path, images: str, annotations: str) -> Annotated:
    """Reads the XML files of the pictures that a list names.

    Args:
        path: The list, a name a line.
        root: The folder of the pictures' and the annotations' folders.
        images: The first, with '<name>.jpg'.
        annotations: The second, with '<name>.xml'.

    Returns:
        Categories are those of the objects, in the order of their names; objects that are
        difficult count as crowds.
    """
    names = path.read_text(encoding='utf-8').split('\n')
    names = [name.strip() for name in names if name.strip()]
    files = [str(root / annotations / f'{name}.xml') for name in names]
    looks = survey(look_at_xml, files, remembered_beside(path), 'Reading annotations')
    report = Report()
    wrong = [(file, look) for file, look in zip(files, looks, strict=True) if not look or look[2]]
    if wrong:
        file, look = wrong[0]
        what = look[2] if look else 'is missing'
        more = f' ({len(wrong)} such files)' if len(wrong) > 1 else ''
        report.error(file, f'it {what}{more}: export it again.', len(wrong))
    looks = [look or [0, 0, '', []] for look in looks]
    found = [(row, *entry) for row, look in enumerate(looks) for entry in look[3]]
    classes = sorted({entry[1] for entry in found})
    places = {name: place for place, name in enumerate(classes)}
    corners = np.array([entry[3:] for entry in found], np.float64).reshape(-1, 4)
    # the first pixel is 1 there
    box = np.concatenate([corners[:, :2] - 1, corners[:, 2:] - corners[:, :2]], 1)
    count = len(found)
    objects = Objects(
        ids=np.zeros(count, np.int64),
        picture=np.array([entry[0] for entry in found], np.int64),
        category=np.array([places[entry[1]] for entry in found], np.int64),
        box=box,
        # mmdet asks for no area here
        area=np.ones(count),
        crowd=np.array([bool(entry[2]) for entry in found], bool),
        ignored=np.zeros(count, bool),
        mask=np.zeros(count, np.uint8),
        extent=np.full((count, 4), math.nan),
    )
    return Annotated(
        path,
        [Category(place, name) for place, name in enumerate(classes)],
        Pictures(
            [f'{images}/{name}.jpg' for name in names],
            np.array([look[:2] for look in looks], np.int64).reshape(-1, 2),
        ),
        objects,
        findings=report.findings,
    )


def look_at_xml(path: str) -> list:
    """Reads a VOC annotation.

    Returns:
        Width and height (0 where the file gives none), what is wrong, and for every object its
        name, whether it is difficult, and its corners.
    """
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError:
        return [0, 0, 'is not valid XML', []]
    try:
        size = root.find('size')
        sides = [0, 0] if size is None else [int(size.findtext(s)) for s in ('width', 'height')]
        objects = []
        for entry in root.iter('object'):
            corners = [float(entry.findtext(f'bndbox/{corner}')) for corner in CORNERS]
            difficult = int(entry.findtext('difficult') or 0)
            objects.append([entry.findtext('name') or '', difficult, *corners])
    except (TypeError, ValueError):
        return [0, 0, 'lacks a number in its size or in a bndbox', []]
    return [*sides, '', objects]
