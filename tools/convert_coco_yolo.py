"""Give a folder of COCO boxes the layout of Ultralytics: labels beside linked images, and a yaml.

    python tools/convert_coco_yolo.py DIR OUT

DIR is a folder as tools/train.py takes it with --data: train.json, val.json and perhaps test.json,
with the pictures that they name in DIR/images. OUT/data.yaml is what Ultralytics' ``data=`` takes.
(Ultralytics' own converter writes labels alone, and neither places pictures nor names classes.)
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

from recipes.data.check import judge_annotated
from recipes.data.coco import read_coco
from recipes.data.report import Report
from recipes.data.use import Use

SPLITS = ('train', 'val', 'test')


def convert(source: Path, out: Path) -> Path:
    """Converts a folder and returns the path of its yaml.

    Raises:
        ValueError: The classes of two splits differ, or two pictures of a split have one name.
        OSError: A file is missing.
    """
    names, lines = None, [f'path: {out.resolve()}']
    for split in SPLITS:
        file = source / f'{split}.json'
        if split == 'test' and not file.exists():
            continue
        _check(file, split, source / 'images')
        content = json.loads(file.read_text(encoding='utf-8-sig'))
        categories = sorted(content['categories'], key=lambda category: category['id'])
        if names not in (None, [category['name'] for category in categories]):
            raise ValueError(f'{file} has other classes than the splits before it.')
        names = [category['name'] for category in categories]
        convert_split(content, categories, source / 'images', out, split)
        lines.append(f'{split}: images/{split}')
    lines.append(f'names: {json.dumps(dict(enumerate(names)))}')
    yaml = out / 'data.yaml'
    yaml.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return yaml


def _check(file: Path, split: str, images: Path) -> None:
    """Raises ValueError where a split is wrong, as tools/train.py would see it."""
    report = Report()
    judge_annotated(report, read_coco(file), Use(split, images))
    if report.errors:
        raise ValueError('\n'.join(map(str, report.errors)))


def convert_split(content: dict, categories: list, images: Path, out: Path, split: str) -> None:
    classes = {category['id']: k for k, category in enumerate(categories)}
    boxes, stems = defaultdict(list), set()
    for annotation in content.get('annotations', []):
        if not annotation.get('iscrowd'):
            boxes[annotation['image_id']].append(annotation)
    for kind in ('images', 'labels'):
        (out / kind / split).mkdir(parents=True, exist_ok=True)
    for image in content['images']:
        picture = images / image['file_name']
        if picture.stem in stems:
            raise ValueError(
                f'{images} holds two pictures of {split} that are called {picture.stem}, whose '
                'labels would be one file: rename one of them.'
            )
        stems.add(picture.stem)
        link = out / 'images' / split / picture.name
        link.unlink(missing_ok=True)
        link.symlink_to(picture.resolve(strict=True))
        rows = [row(box, classes, image['width'], image['height']) for box in boxes[image['id']]]
        label = out / 'labels' / split / f'{picture.stem}.txt'
        label.write_text(''.join(rows), encoding='utf-8')


def row(annotation: dict, classes: dict, width: int, height: int) -> str:
    """A box as Ultralytics reads it: class, centre and size, in parts of the picture's."""
    x, y, w, h = annotation['bbox']
    values = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
    return ' '.join([str(classes[annotation['category_id']]), *(f'{v:.6f}' for v in values)]) + '\n'


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', type=Path, metavar='DIR')
    parser.add_argument('out', type=Path, metavar='OUT')
    args = parser.parse_args()
    try:
        print(convert(args.source, args.out))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
