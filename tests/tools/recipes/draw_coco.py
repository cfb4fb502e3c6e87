"""A folder as large as COCO, to time the check of data:

    python tests/tools/recipes/draw_coco.py DIR [PICTURES] [OBJECTS]

By default 118,000 pictures, which are links to 200 gray ones, and 860,000 objects of 80 classes
with polygons, in DIR/train.json; DIR/val.json has a hundredth of that.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 80
KINDS = 200  # pictures that differ
CORNERS = 25  # of a polygon, on average


def draw(root: Path, pictures: int, objects: int) -> None:
    """Makes the folder ``root``."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(240, 641, (KINDS, 2))
    (root / 'kinds').mkdir(parents=True)
    (root / 'images').mkdir()
    for kind, (width, height) in enumerate(sizes):
        gray = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(gray).save(root / f'kinds/{kind}.jpg', quality=30)
    start = 0
    for split, part in (('train', 1), ('val', 100)):
        count = max(1, pictures // part)
        names = [f'{start + i:012d}.jpg' for i in range(count)]
        for i, name in enumerate(names):
            os.link(root / f'kinds/{i % KINDS}.jpg', root / 'images' / name)
        write(root / f'{split}.json', names, sizes, max(CLASSES, objects // part), rng)
        start += count


def write(path: Path, names: list[str], sizes: np.ndarray, objects: int, rng) -> None:
    """Writes the annotations piece by piece, for they are larger than memory should be."""
    images = [
        dict(id=i, file_name=name, width=int(sizes[i % KINDS][0]), height=int(sizes[i % KINDS][1]))
        for i, name in enumerate(names)
    ]
    categories = [dict(id=i + 1, name=f'class{i}') for i in range(CLASSES)]
    with path.open('w') as file:
        file.write(f'{{"images":{json.dumps(images)},"categories":{json.dumps(categories)},')
        file.write('"annotations":[')
        for number in range(objects):
            image = number % len(images)
            width, height = sizes[image % KINDS].tolist()
            w, h = (rng.random(2) * [width - 20, height - 20] / 2 + 8).tolist()
            x, y = rng.random() * (width - w), rng.random() * (height - h)
            angles = np.linspace(
                0, 2 * np.pi, int(rng.integers(6, 2 * CORNERS - 6)), endpoint=False
            )
            ring = np.stack([np.cos(angles), np.sin(angles)], 1) / 2 + 0.5
            polygon = (ring * [w, h] + [x, y]).round(2).ravel().tolist()
            entry = dict(
                id=number + 1,
                image_id=image,
                category_id=number % CLASSES + 1,
                bbox=[round(value, 2) for value in (x, y, w, h)],
                area=round(w * h * 0.78, 2),
                iscrowd=0,
                segmentation=[polygon],
            )
            file.write((',' if number else '') + json.dumps(entry))
        file.write(']}')


if __name__ == '__main__':
    draw(Path(sys.argv[1]), *(int(word) for word in (sys.argv[2:4] or (118_000, 860_000))))
