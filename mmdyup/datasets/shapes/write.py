"""The files of a Shapes folder."""

import json
import pathlib

import cv2
import numpy as np
from rich.progress import track

from . import labels
from .scene import make_scene

_SPLITS = ('train', 'val')


def write_folder(root: pathlib.Path, num_train: int, num_val: int, size: int, seed: int) -> None:
    """Make the new folder ``root`` with everything but its record."""
    for kind in ('images', 'semantic', 'panoptic'):
        for split in _SPLITS:
            (root / kind / split).mkdir(parents=True)
    detection = {split: _empty(labels.THINGS) for split in _SPLITS}
    panoptic = {split: _empty(labels.PANOPTIC) for split in _SPLITS}

    places = [('train', index) for index in range(num_train)]
    places += [('val', index) for index in range(num_val)]
    for number, (split, index) in enumerate(track(places, 'Making Shapes'), 1):
        # From its own place alone: more pictures leave the others as they are.
        rng = np.random.default_rng([seed, _SPLITS.index(split), index])
        scene = make_scene(rng, size)
        ids, segments = labels.panoptic(scene)
        image = dict(id=number, file_name=f'{number:06d}.png', width=size, height=size)
        _write_png(root / 'images' / split / image['file_name'], scene.picture)
        _write_png(root / 'semantic' / split / image['file_name'], labels.semantic_map(scene))
        _write_png(root / 'panoptic' / split / image['file_name'], ids)
        detection[split]['images'].append(image)
        panoptic[split]['images'].append(image)
        found = detection[split]['annotations']
        for instance in labels.instances(scene):
            found.append(dict(id=len(found) + 1, image_id=number, **instance))
        panoptic[split]['annotations'].append(
            dict(image_id=number, file_name=image['file_name'], segments_info=segments)
        )

    for split in _SPLITS:
        write_json(root / f'{split}.json', detection[split])
        write_json(root / f'panoptic_{split}.json', panoptic[split])
    (root / 'classes.txt').write_text('\n'.join(labels.SEMANTIC_CLASSES) + '\n')


def write_json(path: pathlib.Path, content: dict) -> None:
    path.write_text(json.dumps(content, separators=(',', ':')) + '\n')


def _empty(categories: list[dict]) -> dict:
    return dict(images=[], annotations=[], categories=categories)


def _write_png(path: pathlib.Path, pixels: np.ndarray) -> None:
    # imencode, because imwrite only returns False when the disk is full.
    path.write_bytes(cv2.imencode('.png', pixels)[1].tobytes())
