import json

import pytest
from PIL import Image

from convert_coco_yolo import convert


@pytest.fixture
def folder(tmp_path):
    """Two splits of a picture each, with ids that neither begin at 0 nor are in order."""
    source = tmp_path / 'source'
    (source / 'images').mkdir(parents=True)
    for split in ('train', 'val'):
        Image.new('RGB', (200, 100)).save(source / 'images' / f'{split}.jpg')
        content = dict(
            images=[dict(id=5, file_name=f'{split}.jpg', width=200, height=100)],
            categories=[dict(id=7, name='b'), dict(id=3, name='a')],
            annotations=[
                dict(image_id=5, category_id=7, bbox=[20, 10, 40, 30], iscrowd=0),
                dict(image_id=5, category_id=3, bbox=[0, 0, 200, 100]),
                dict(image_id=5, category_id=3, bbox=[0, 0, 9, 9], iscrowd=1),
            ],
        )
        (source / f'{split}.json').write_text(json.dumps(content))
    return source


def test_boxes_classes_and_pictures(folder, tmp_path):
    out = tmp_path / 'out'
    file = convert(folder, out)
    assert convert(folder, out) == file  # again, over what is there
    picture = (folder / 'images/train.jpg').read_bytes()
    assert (out / 'images/train/train.jpg').read_bytes() == picture
    lines = (out / 'labels/val/val.txt').read_text().splitlines()
    assert lines == [
        '1 0.200000 0.250000 0.200000 0.300000',
        '0 0.500000 0.500000 1.000000 1.000000',
    ]
    assert file.read_text().splitlines() == [
        f'path: {out}',
        'train: images/train',
        'val: images/val',
        'names: {"0": "a", "1": "b"}',
    ]


def test_other_classes_in_a_split(folder, tmp_path):
    content = json.loads((folder / 'val.json').read_text())
    content['categories'].pop()
    content['annotations'] = content['annotations'][:1]
    (folder / 'val.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match='has other classes than the splits before it'):
        convert(folder, tmp_path / 'out')


def test_two_pictures_of_one_name(folder, tmp_path):
    """In two folders, or of two kinds: their labels would be one file."""
    content = json.loads((folder / 'val.json').read_text())
    (folder / 'images' / 'other').mkdir()
    Image.new('RGB', (9, 9)).save(folder / 'images' / 'other' / 'val.png')
    content['images'].append(dict(id=6, file_name='other/val.png', width=9, height=9))
    (folder / 'val.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match='two pictures of val that are called val, .* rename one'):
        convert(folder, tmp_path / 'out')


def test_data_that_is_wrong(folder, tmp_path):
    """Is told as training tells it, all at once."""
    content = json.loads((folder / 'val.json').read_text())
    content['annotations'][0]['bbox'] = []
    content['images'][0]['width'] = 20
    (folder / 'val.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'has \[\] as "bbox"(.|\n)*val.jpg is 20x100 there'):
        convert(folder, tmp_path / 'out')


def test_a_test_set_without_annotations(folder, tmp_path):
    content = json.loads((folder / 'val.json').read_text())
    del content['annotations']
    (folder / 'test.json').write_text(json.dumps(content))
    convert(folder, tmp_path / 'out')
    assert (tmp_path / 'out/labels/test/val.txt').read_text() == ''
