"""Data sets in VOC's layout, against mmdet's own reading of them."""

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from recipes.data.check import check_splits

pytest.importorskip('mmdet')
CLASSES = ('cat', 'dog', 'cow')
FILTERS = dict(filter_empty_gt=True, min_size=32, bbox_min_size=20)


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for name in ('JPEGImages', 'Annotations'):
        (tmp_path / 'VOC' / name).mkdir(parents=True)
    names = [f'{i:03d}' for i in range(12)]
    for i, name in enumerate(names):
        size = (64, 20 if i % 4 == 3 else 48)
        Image.new('RGB', size).save(tmp_path / f'VOC/JPEGImages/{name}.jpg')
        objects = ''
        for number in range(0 if i % 5 == 4 else 4):
            x, y, w = rng.integers(1, 20, 3)
            objects += (
                f'<object><name>{[*CLASSES, "fox"][number]}</name><difficult>{int(w > 17)}'
                f'</difficult><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w + 10}</xmax>'
                f'<ymax>{y + w + 10}</ymax></bndbox></object>'
            )
        sides = f'<size><width>{size[0]}</width><height>{size[1]}</height></size>'
        xml = f'<annotation>{sides}{objects}</annotation>'
        (tmp_path / f'VOC/Annotations/{name}.xml').write_text(xml)
    (tmp_path / 'train.txt').write_text('\n'.join(names) + '\n')
    return tmp_path


def settings(root):
    return dict(
        data_root=str(root),
        ann_file='train.txt',
        data_prefix=dict(sub_data_root='VOC/'),
        filter_cfg=FILTERS,
        metainfo=dict(classes=CLASSES),
    )


def check(root):
    dataset = dict(settings(root), type='VOCDataset')
    cfg = Config(dict(default_scope='mmdet', train_dataloader=dict(dataset=dataset)))
    return check_splits(cfg, ('train',))


def test_what_is_left_is_what_mmdet_leaves(root):
    from mmdet.datasets import VOCDataset

    parent = VOCDataset(pipeline=[], **settings(root))
    left = [
        CLASSES[instance['bbox_label']]
        for i in range(len(parent))
        for instance in parent.get_data_info(i)['instances']
        if not instance['ignore_flag']
    ]
    report = check(root)
    assert not report.errors
    line = next(line for line in report.summary if 'to learn from' in line)
    told = dict(part.split() for part in line.split(': ')[1].split(', '))
    assert {name: int(count) for name, count in told.items()} == {
        name: left.count(name) for name in CLASSES
    }
    out = next(line for line in report.summary if 'left out' in line)
    assert '2 pictures without objects; 3 pictures under 32 pixels' in out
    assert len(parent) == 12 - 5
    assert '(fox) are not among those that the model learns' in report.warnings[0].message


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda p: p.unlink(), 'it is missing'),
        (lambda p: p.write_text('<annotation>'), 'it is not valid XML'),
        (
            lambda p: p.write_text(p.read_text().replace('<xmax>', '<xmax>a')),
            'it lacks a number in its size or in a bndbox',
        ),
    ],
)
def test_files_that_are_wrong(root, change, words):
    change(root / 'VOC/Annotations/001.xml')
    error = check(root).errors[0]
    assert error.path.endswith('001.xml') and words in error.message
