import json

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from recipes.data.check import check_splits

CATEGORIES = [dict(id=1, name='apple'), dict(id=4, name='pear'), dict(id=5, name='plum')]


def make_split(root, split, count, folder='images'):
    """Pictures of one bright square each, of the category that its number gives."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    rng = np.random.default_rng(len(split))
    for i in range(count):
        image = rng.integers(0, 90, (64, 96, 3), dtype=np.uint8)
        x, y = (int(v) for v in rng.integers(2, 30, 2))
        image[y : y + 24, x : x + 24, i % 3] = 250
        name = f'{split}_{i}.png'
        cv2.imwrite(str(root / folder / name), image)
        images.append(dict(id=i, file_name=name, width=96, height=64))
        annotations.append(
            dict(
                id=i + 1,
                image_id=i,
                category_id=CATEGORIES[i % 3]['id'],
                bbox=[x, y, 24, 24],
                area=576,
                iscrowd=0,
                segmentation=[[x, y, x + 24, y, x + 24, y + 24, x, y + 24]],
            )
        )
    data = dict(images=images, annotations=annotations, categories=CATEGORIES)
    (root / f'{split}.json').write_text(json.dumps(data))


def rewrite(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.fixture
def write_split():
    return make_split


@pytest.fixture
def edit_json():
    return rewrite


@pytest.fixture
def check_maps():
    """The report of training on a folder of pictures and maps."""

    def check(root, kind, key, folder, suffix, **settings):
        dataset = dict(
            type=kind,
            data_root=str(root),
            img_suffix=suffix,
            data_prefix={'img_path': 'images/train', key: f'{folder}/train'},
            **settings,
        )
        cfg = Config(dict(default_scope='mmseg', train_dataloader=dict(dataset=dataset)))
        return check_splits(cfg, ('train',))

    return check


@pytest.fixture
def folder(tmp_path):
    """A folder of six pictures to train on and three to validate on."""
    root = tmp_path / 'fruit'
    make_split(root, 'train', 6)
    make_split(root, 'val', 3)
    return root


@pytest.fixture(autouse=True)
def nothing_beside_the_code(elsewhere):
    """What is told of data is kept where a run works, which is here unless it has a work dir."""
