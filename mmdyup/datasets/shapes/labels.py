"""Labels of a scene in the formats that detection, segmentation and panoptic tools read."""

import numpy as np
from pycocotools import mask as rle

from .geometry import CLASSES
from .scene import FIRST_OBJECT, GROUND, PATH, Scene

THINGS = [dict(id=i, name=name) for i, name in enumerate(CLASSES, 1)]
STUFF = [dict(id=i, name=name) for i, name in enumerate(('ground', 'path'), len(CLASSES) + 1)]
PANOPTIC = [dict(thing, isthing=1) for thing in THINGS] + [dict(kind, isthing=0) for kind in STUFF]
SEMANTIC_CLASSES = ('ground', 'path', *CLASSES)


def instances(scene: Scene) -> list[dict]:
    """COCO annotations of a scene's objects, without ``id`` and ``image_id``."""
    found = []
    for index, kind in enumerate(scene.kinds):
        coded = rle.encode(np.asfortranarray(scene.owner == FIRST_OBJECT + index, np.uint8))
        found.append(
            dict(
                category_id=THINGS[kind]['id'],
                bbox=rle.toBbox(coded).tolist(),
                area=int(rle.area(coded)),
                segmentation=dict(size=coded['size'], counts=coded['counts'].decode()),
                iscrowd=0,
            )
        )
    return found


def semantic_map(scene: Scene) -> np.ndarray:
    """(S, S) uint8, each pixel's index in ``SEMANTIC_CLASSES``."""
    classes = [GROUND, PATH, *(FIRST_OBJECT + kind for kind in scene.kinds)]
    return np.array(classes, np.uint8)[scene.owner]


def panoptic(scene: Scene) -> tuple[np.ndarray, list[dict]]:
    """COCO panoptic labels.

    Returns:
        The segments' ids coded as colours, (S, S, 3) uint8 BGR, and the ``segments_info``.
    """
    categories = [STUFF[0]['id'], STUFF[1]['id'], *(THINGS[kind]['id'] for kind in scene.kinds)]
    # An odd factor keeps ids different below 2**24, and makes their colours differ to the eye.
    ids = np.arange(1, len(categories) + 1) * 10368889 % 2**24
    segments = []
    for value in np.unique(scene.owner).tolist():
        coded = rle.encode(np.asfortranarray(scene.owner == value, np.uint8))
        segments.append(
            dict(
                id=int(ids[value]),
                category_id=categories[value],
                area=int(rle.area(coded)),
                bbox=rle.toBbox(coded).astype(int).tolist(),
                iscrowd=0,
            )
        )
    red_green_blue = (ids[:, None] >> np.array([0, 8, 16])) & 255
    return red_green_blue[:, ::-1].astype(np.uint8)[scene.owner], segments
