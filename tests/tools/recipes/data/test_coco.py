"""Reading COCO JSON: values are values, and what is ours to give is given."""

import json

import numpy as np
import pytest
from pycocotools import mask as rle

from recipes.data.coco import measure, read_coco, read_panoptic, unpack_runs
from recipes.data.mend import mend
from recipes.data.records import NO_MASK, POLYGONS, RUNS, WRONG_MASK
from recipes.data.report import Unusable


def test_plain_form(folder):
    found = read_coco(folder / 'train.json')
    data = json.loads((folder / 'train.json').read_text())
    assert found.classes == ('apple', 'pear', 'plum')
    assert found.pictures.names == [entry['file_name'] for entry in data['images']]
    assert found.pictures.sizes.tolist() == [[96, 64]] * 6
    objects = found.objects
    assert objects.box.tolist() == [entry['bbox'] for entry in data['annotations']]
    assert objects.picture.tolist() == [entry['image_id'] for entry in data['annotations']]
    assert objects.category.tolist() == [0, 1, 2, 0, 1, 2]
    assert (objects.mask == POLYGONS).all() and not objects.crowd.any()
    x, y, w, h = objects.box.T
    assert (objects.extent == np.stack([x, y, x + w, y + h], 1)).all()
    assert not found.findings and not found.mends and not found.mask_problems


def test_a_file_that_changed_is_read_again(folder, edit_json):
    assert len(read_coco(folder / 'train.json').objects) == 6
    edit_json(folder / 'train.json', lambda d: d['annotations'].pop())
    assert len(read_coco(folder / 'train.json').objects) == 5


def test_missing_file(folder):
    with pytest.raises(FileNotFoundError, match='no_such.json is missing'):
        read_coco(folder / 'no_such.json')


@pytest.mark.parametrize(
    'text, words',
    [
        ('', 'train.json: it is empty'),
        ('{"images": [', 'train.json: it is not valid JSON'),
        ('[1, 2]', 'has no "images"'),
        ('{"images": [{"id": 1}], "annotations": []}', 'has no "categories"'),
        ('[' * 100_000, 'nested too deep|not valid JSON'),
    ],
)
def test_files_that_are_not_coco(tmp_path, text, words):
    path = tmp_path / 'train.json'
    path.write_text(text)
    with pytest.raises(Unusable, match=words):
        read_coco(path)


def annotation(**fields):
    return lambda d: d['annotations'][2].update(fields)


@pytest.mark.parametrize(
    'change, words',
    [
        (annotation(bbox=[]), r'annotation number 2 has \[\] as "bbox": a box is \[x, y'),
        (annotation(bbox=None), 'annotation number 2 has None as "bbox"'),
        (annotation(bbox=[1, 2, 3]), r'has \[1, 2, 3\] as "bbox"'),
        (annotation(bbox=[1, 2, 3, '4']), r"has \[1, 2, 3, '4'\] as \"bbox\""),
        (annotation(bbox=[1, 2, float('nan'), 4]), r'has \[1, 2, nan, 4\] as "bbox"'),
        (annotation(bbox=dict(x=1)), 'as "bbox"'),
        (annotation(area='large'), 'number 2 has \'large\' as "area"'),
        (annotation(area=float('inf')), 'has inf as "area"'),
        (annotation(iscrowd='0'), 'has \'0\' as "iscrowd": write 0 or 1'),
        (annotation(category_id='1'), 'has \'1\' as "category_id": give a whole number'),
        (annotation(category_id=9), 'objects of category 9, which its "categories" do not list'),
        (annotation(image_id=77), 'objects in image 77, which its "images" do not list'),
        (annotation(image_id='2'), "objects in image '2'"),
        (annotation(image_id=[2]), r'has \[2\] as "image_id"'),
        (lambda d: d['annotations'].__setitem__(2, 7), 'annotation number 2 is 7'),
        (lambda d: d['images'][0].pop('width'), 'image number 0 has no "width"'),
        (lambda d: d['images'][0].update(width=0), 'image number 0 has 0 as "width"'),
        (lambda d: d['images'][0].update(height='64'), 'image number 0 has \'64\' as "height"'),
        (lambda d: d['images'][1].update(id=0), '1 id of pictures .* for instance 0'),
        (lambda d: d['images'][1].update(file_name=''), 'image number 1 has \'\' as "file_name"'),
        (lambda d: d['categories'][1].update(name='apple'), "the name 'apple'"),
        (lambda d: d['categories'][1].update(name=None), 'category number 1 has None as "name"'),
        (lambda d: d['categories'][1].update(id=1), 'the id 1'),
    ],
)
def test_values_that_are_wrong(folder, edit_json, change, words):
    edit_json(folder / 'train.json', change)
    errors = [found for found in read_coco(folder / 'train.json').findings]
    assert errors and all(found.level == 'error' for found in errors)
    import re

    assert any(re.search(words, found.message) for found in errors), errors


def test_several_are_counted_and_all_kinds_are_told(folder, edit_json):
    def spoil(data):
        for entry in data['annotations'][1:4]:
            entry['bbox'] = []
        data['annotations'][5]['iscrowd'] = 'no'
        data['images'][3]['height'] = None

    edit_json(folder / 'train.json', spoil)
    found = read_coco(folder / 'train.json').findings
    assert [finding.count for finding in found] == [1, 3, 1]
    assert '(3 in all)' in found[1].message and 'annotation number 1' in found[1].message


@pytest.mark.parametrize(
    'mask, kind, words',
    [
        ([[0, 0, 4, 0, 4, 4]], POLYGONS, ''),
        ([], NO_MASK, 'is empty'),
        (None, NO_MASK, 'is empty'),
        ([0, 0, 4, 0, 4, 4], WRONG_MASK, 'is a flat list'),
        ([[0, 0, 4, 4]], WRONG_MASK, 'a polygon of 4 numbers'),
        ([[0, 0, 4, 0, 4, 4], [1, 2]], WRONG_MASK, 'a polygon of 2 numbers'),
        ([[0, 0, 4, 0, 4, 4, 5]], WRONG_MASK, 'a polygon of 7 numbers'),
        ([[0, 0, 4, 0, 4, '4']], WRONG_MASK, 'other things than numbers'),
        ([['0'] * 6], WRONG_MASK, 'other things than numbers'),
        ([[0, 0, 4, 0, 4, float('nan')]], WRONG_MASK, 'NaN'),
        ('mask.png', WRONG_MASK, 'is a str'),
        (dict(size=[2, 3], counts=[1, 2, 3]), RUNS, ''),
        (dict(size=[2, 3], counts=[1, 2]), WRONG_MASK, 'do not add up'),
        (dict(size=[2, 3], counts=[9, -3]), WRONG_MASK, 'do not add up'),
        (dict(size=[2, 3], counts=[1, '2', 3]), WRONG_MASK, 'do not add up'),
        (dict(counts=[1, 2, 3]), WRONG_MASK, 'without a "size"'),
        (dict(size=[2, 3]), WRONG_MASK, 'without "counts"'),
    ],
)
def test_masks(mask, kind, words):
    found = measure(mask)
    assert found[0] == kind and words in found[1]
    assert bool(found[1]) == (kind in (NO_MASK, WRONG_MASK))


def test_compressed_run_lengths():
    """Against pycocotools, whose text is made of a mask: runs are lengths of equal pixels."""
    rng = np.random.default_rng(0)
    for shape in [(3, 5), (40, 70), (300, 200)]:
        pixels = (rng.random(shape) < 0.3).astype(np.uint8)
        pixels[: shape[0] // 2] = 0
        coded = rle.encode(np.asfortranarray(pixels))
        flat = pixels.ravel(order='F')
        ends = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff([0, *ends, flat.size]).tolist()
        wanted = runs if flat[0] == 0 else [0, *runs]
        text = coded['counts'].decode()
        assert unpack_runs(text) == wanted
        assert measure(dict(size=list(shape), counts=text))[0] == RUNS
        assert measure(dict(size=list(shape), counts=text[:-2]))[0] == WRONG_MASK


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda d: [a.pop('id') for a in d['annotations']], '6 annotations have no whole number'),
        (lambda d: d['annotations'][0].update(id='a'), '1 annotation have no whole number as "id"'),
        (lambda d: [a.update(id=i) for i, a in enumerate(d['annotations'])], 'has the id 0'),
        (lambda d: [a.update(id=1) for a in d['annotations']], '5 annotation ids occur more than'),
        (lambda d: [a.pop('iscrowd') for a in d['annotations']], '6 annotations have no "iscrowd"'),
        (lambda d: d['annotations'][1].update(area=None), '1 annotation have no "area"'),
        (lambda d: [c.update(name=c['id']) for c in d['categories']], '3 class names are numbers'),
    ],
)
def test_what_is_ours_to_give(folder, edit_json, tmp_path, change, words):
    edit_json(folder / 'train.json', change)
    found = read_coco(folder / 'train.json')
    assert not found.findings and len(found.mends) == 1 and words in found.mends[0]
    assert (found.objects.area == 576).all()
    copy = read_coco(mend(found.path, tmp_path / 'copies/train.json'))
    assert not copy.mends and not copy.findings
    assert copy.classes == found.classes and (copy.objects.box == found.objects.box).all()
    data = json.loads(copy.path.read_text())
    assert [entry['id'] for entry in data['annotations']] == [1, 2, 3, 4, 5, 6]


def test_a_byte_order_mark(folder, tmp_path):
    """pycocotools cannot read such a file."""
    path = folder / 'train.json'
    path.write_text(path.read_text(), encoding='utf-8-sig')
    found = read_coco(path)
    assert found.mends == ['it starts with a byte order mark']
    assert mend(path, tmp_path / 'copy.json').read_bytes()[:1] == b'{'


def test_no_objects_at_all(folder, edit_json):
    edit_json(folder / 'train.json', lambda d: d.pop('annotations'))
    found = read_coco(folder / 'train.json')
    assert not found.labelled and len(found.objects) == 0 and not found.findings


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda d: d['categories'][0].pop('isthing'), 'category number 0 has no "isthing"'),
        (lambda d: d['annotations'][0].pop('segments_info'), 'has no "segments_info"'),
        (lambda d: d['annotations'][0]['segments_info'][0].pop('iscrowd'), 'has no "iscrowd"'),
        (lambda d: d['annotations'][0]['segments_info'][0].update(category_id=9), 'category 9'),
        (lambda d: d['annotations'][0]['segments_info'][0].update(bbox=[1]), 'as "bbox"'),
        (lambda d: d['annotations'][0]['segments_info'][0].update(id='7'), 'has \'7\' as "id"'),
        (lambda d: d['annotations'][0].update(image_id=77), 'image 77'),
        (lambda d: d['categories'][0].update(name='path'), "the name 'path'"),
        (
            lambda d: d['annotations'][0]['segments_info'].append(
                d['annotations'][0]['segments_info'][0]
            ),
            '1 segment share an id',
        ),
    ],
)
def test_values_of_segments(shapes, tmp_path, edit_json, change, words):
    path = tmp_path / 'panoptic_train.json'
    path.write_text((shapes / 'panoptic_train.json').read_text())
    assert not read_panoptic(path).findings
    edit_json(path, change)
    assert any(words in found.message for found in read_panoptic(path).findings)
