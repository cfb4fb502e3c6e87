"""The Shapes data set, made once: its pictures, and labels for tools of detection, segmentation,
panoptic segmentation and depth."""

import json
import os
import pathlib
import tempfile

import cv2
import numpy as np
from pycocotools import mask as rle
from rich.progress import track

from .scene import CLASSES, FIRST_OBJECT, GROUND, PATH, Scene, make_scene

# To be raised whenever the files made from a seed change.
_VERSION = 3
_RECORD = 'shapes.json'
_SPLITS = ('train', 'val')

THINGS = [dict(id=i, name=name) for i, name in enumerate(CLASSES, 1)]
STUFF = [dict(id=i, name=name) for i, name in enumerate(('ground', 'path'), len(CLASSES) + 1)]
PANOPTIC = [dict(thing, isthing=1) for thing in THINGS] + [dict(kind, isthing=0) for kind in STUFF]
# in millimetres: of ground and path, and from a shape to the next one above
GROUND_DEPTH, STEP = 4000, 250
SEMANTIC_CLASSES = ('ground', 'path', *CLASSES)


def generate_shapes(
    root: str | os.PathLike, num_train: int = 320, num_val: int = 64, size: int = 256, seed: int = 0
) -> pathlib.Path:
    """Make the Shapes data set, unless ``root`` already holds it.

    Circles, squares, triangles and stars, filled and outlined, lie over one another on textured
    ground that a path crosses. The same arguments give the same files, and the folder appears
    under its name only when it is complete. In it are::

        train.json, val.json                 COCO detection format, masks as compressed RLE
        images/{train,val}/*.png             size x size pixels
        semantic/{train,val}/*.png           one channel: 0 ground, 1 path, 2.. the shapes
        depth/{train,val}/*.png              16 bits: millimetres, the ground at 4 m, every shape
                                             25 cm above the one that was painted before it
        classes.txt                          the names of those values, one a line
        panoptic_{train,val}.json, panoptic/{train,val}/*.png     COCO panoptic format
        shapes.json                          the arguments that it was made with

    Args:
        root: folder to make. One that holds Shapes made with other arguments is replaced.
        num_train: pictures to train on, at least 1.
        num_val: pictures to evaluate on, at least 1.
        size: width and height of the pictures in pixels, at least 64.
        seed: another seed, from 0, gives other pictures.

    Returns:
        ``root`` as a path.

    Raises:
        ValueError: ``root`` holds something else, or a number is too small.
        TypeError: a number is not an int.
    """
    wanted = dict(num_train=num_train, num_val=num_val, size=size, seed=seed)
    for name, least in dict(num_train=1, num_val=1, size=64, seed=0).items():
        if not isinstance(wanted[name], int):
            raise TypeError(f'{name} is {wanted[name]!r}: give a whole number.')
        if wanted[name] < least:
            raise ValueError(f'{name} is {wanted[name]}: choose {least} or more.')
    record = dict(version=_VERSION, **wanted)
    root = pathlib.Path(root)
    if _recorded(root) == record:
        return root

    target = root.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{target.name}-', dir=target.parent) as scratch:
        made = pathlib.Path(scratch, 'made')
        write_folder(made, **wanted)
        _write_json(made / _RECORD, record)
        if _recorded(root) == record:  # another process was faster
            return root
        if target.exists():
            target.rename(pathlib.Path(scratch, 'replaced'))
        made.rename(target)
    return root


def _recorded(root: pathlib.Path) -> dict | None:
    """The arguments that ``root`` was made with, None where there is nothing yet."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return None
    try:
        recorded = json.loads((root / _RECORD).read_text())
    except (OSError, ValueError):
        recorded = None
    if not isinstance(recorded, dict):
        raise ValueError(
            f'{root} holds something other than the Shapes data set: '
            'name another folder, or empty this one.'
        )
    return recorded


def write_folder(root: pathlib.Path, num_train: int, num_val: int, size: int, seed: int) -> None:
    """Make the new folder ``root`` with everything but its record."""
    for kind in ('images', 'semantic', 'depth', 'panoptic'):
        for split in _SPLITS:
            (root / kind / split).mkdir(parents=True)
    detection = {split: _empty(THINGS) for split in _SPLITS}
    panoptic = {split: _empty(PANOPTIC) for split in _SPLITS}

    places = [('train', index) for index in range(num_train)]
    places += [('val', index) for index in range(num_val)]
    for number, (split, index) in enumerate(track(places, 'Making Shapes'), 1):
        # From its own place alone: more pictures leave the others as they are.
        rng = np.random.default_rng([seed, _SPLITS.index(split), index])
        scene = make_scene(rng, size)
        ids, segments = _panoptic(scene)
        image = dict(id=number, file_name=f'{number:06d}.png', width=size, height=size)
        _write_png(root / 'images' / split / image['file_name'], scene.picture)
        _write_png(root / 'semantic' / split / image['file_name'], _semantic_map(scene))
        _write_png(root / 'depth' / split / image['file_name'], _depth_map(scene))
        _write_png(root / 'panoptic' / split / image['file_name'], ids)
        detection[split]['images'].append(image)
        panoptic[split]['images'].append(image)
        found = detection[split]['annotations']
        for instance in _instances(scene):
            found.append(dict(id=len(found) + 1, image_id=number, **instance))
        panoptic[split]['annotations'].append(
            dict(image_id=number, file_name=image['file_name'], segments_info=segments)
        )

    for split in _SPLITS:
        _write_json(root / f'{split}.json', detection[split])
        _write_json(root / f'panoptic_{split}.json', panoptic[split])
    (root / 'classes.txt').write_text('\n'.join(SEMANTIC_CLASSES) + '\n')


def _write_json(path: pathlib.Path, content: dict) -> None:
    path.write_text(json.dumps(content, separators=(',', ':')) + '\n')


def _empty(categories: list[dict]) -> dict:
    return dict(images=[], annotations=[], categories=categories)


def _write_png(path: pathlib.Path, pixels: np.ndarray) -> None:
    # imencode, because imwrite only returns False when the disk is full.
    path.write_bytes(cv2.imencode('.png', pixels)[1].tobytes())


def _instances(scene: Scene) -> list[dict]:
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


def _semantic_map(scene: Scene) -> np.ndarray:
    """(S, S) uint8, each pixel's index in ``SEMANTIC_CLASSES``."""
    classes = [GROUND, PATH, *(FIRST_OBJECT + kind for kind in scene.kinds)]
    return np.array(classes, np.uint8)[scene.owner]


def _depth_map(scene: Scene) -> np.ndarray:
    """(S, S) uint16, in millimetres: what lies over something else is nearer."""
    heights = np.maximum(np.arange(FIRST_OBJECT + len(scene.kinds)) - PATH, 0)
    return (GROUND_DEPTH - STEP * heights).astype(np.uint16)[scene.owner]


def _panoptic(scene: Scene) -> tuple[np.ndarray, list[dict]]:
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
