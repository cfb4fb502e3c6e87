import pytest

from recipes.coco import check_same_classes, read_annotations


def test_reads_classes_in_the_order_of_their_labels(folder):
    found = read_annotations(folder / 'train.json')
    assert found.classes == ('apple', 'pear', 'plum')
    assert found.used == {1, 4, 5}
    assert len(found.file_names) == 6


def test_missing_file(folder):
    with pytest.raises(FileNotFoundError, match='no_such.json is missing'):
        read_annotations(folder / 'no_such.json')


@pytest.mark.parametrize(
    'text, words',
    [
        ('{"images": [', 'is not valid JSON'),
        ('[1, 2]', 'has no "images"'),
        ('{"images": [{"id": 1}], "annotations": []}', 'has no "annotations"'),
    ],
)
def test_files_that_are_not_coco(tmp_path, text, words):
    path = tmp_path / 'train.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_annotations(path)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda d: d.update(annotations=[]), 'has no "annotations"'),
        (lambda d: d['annotations'][2].pop('iscrowd'), 'annotation number 2 has no "iscrowd"'),
        (lambda d: d['images'][0].pop('width'), 'image number 0 has no "width"'),
        (lambda d: d['annotations'][0].update(category_id=9), 'category 9'),
        (lambda d: d['categories'][1].update(name='apple'), "the name 'apple'"),
        (lambda d: d['categories'][1].update(id=1), 'the id 1'),
        (lambda d: d['annotations'][0].update(image_id=77), 'image 77'),
    ],
)
def test_what_can_be_wrong_inside(folder, edit_json, change, words):
    edit_json(folder / 'train.json', change)
    with pytest.raises(ValueError, match=words):
        read_annotations(folder / 'train.json')


def test_masks_are_asked_for_only_when_needed(folder, edit_json):
    edit_json(folder / 'train.json', lambda d: d['annotations'][1].pop('segmentation'))
    read_annotations(folder / 'train.json')
    with pytest.raises(ValueError, match='annotation number 1 has no "segmentation"'):
        read_annotations(folder / 'train.json', masks=True)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda d: d['categories'].append(dict(id=6, name='fig')), "the class 'fig'"),
        (lambda d: d['categories'].reverse(), 'otherwise than'),
        (lambda d: d['categories'][0].update(id=2), 'otherwise than'),
    ],
)
def test_classes_that_differ_between_the_parts(folder, edit_json, change, words):
    edit_json(
        folder / 'val.json', lambda d: [d.update(annotations=d['annotations'][1:]), change(d)]
    )
    train, val = (read_annotations(folder / f'{name}.json') for name in ('train', 'val'))
    with pytest.raises(ValueError, match=words):
        check_same_classes(train, val)


def test_a_class_that_cannot_be_learnt(folder, edit_json):
    edit_json(
        folder / 'train.json',
        lambda d: d.update(annotations=[a for a in d['annotations'] if a['category_id'] != 5]),
    )
    train, val = (read_annotations(folder / f'{name}.json') for name in ('train', 'val'))
    with pytest.raises(ValueError, match="'plum'.*has none"):
        check_same_classes(train, val)


def test_a_byte_order_mark_is_told_of(folder):
    """pycocotools cannot read such a file."""
    path = folder / 'train.json'
    path.write_text(path.read_text(), encoding='utf-8-sig')
    with pytest.raises(ValueError, match='not valid JSON.*BOM'):
        read_annotations(path)
