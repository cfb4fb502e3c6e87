"""What is wrong with objects is told before a model is built, and what is left out is counted."""

import json
import re

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from recipes.checks import check_data
from recipes.data.check import check_splits

CLASSES = ('apple', 'pear', 'plum')
DATASET = dict(type='CocoDataset', filter_cfg=dict(filter_empty_gt=True, min_size=32))

pytest.importorskip('mmdet')


def config(root, masks=False, poly2mask=True, **changes):
    """A config of detection, as far as data goes."""
    load = dict(type='LoadAnnotations', with_bbox=True, with_mask=masks, poly2mask=poly2mask)
    loaders = {}
    for split in ('train', 'val', 'test'):
        dataset = dict(
            DATASET,
            data_root=str(root),
            ann_file=f'{split}.json',
            data_prefix=dict(img='images/'),
            metainfo=dict(classes=CLASSES),
            pipeline=[load],
            test_mode=split != 'train',
        )
        dataset.update(changes)
        loaders[f'{split}_dataloader'] = dict(dataset=dataset)
        loaders[f'{split}_evaluator'] = dict(type='CocoMetric', ann_file=f'{root}/{split}.json')
    return Config(dict(default_scope='mmdet', work_dir=str(root / 'work'), **loaders))


@pytest.fixture
def tell(folder, edit_json):
    """Edits a file of the folder and returns (errors, warnings, summary) of training on it."""

    def told(change=None, split='train', splits=('train', 'val'), **options):
        if change:
            edit_json(folder / f'{split}.json', change)
        report = check_splits(config(folder, **options), splits)
        return (
            [found.message for found in report.errors],
            [found.message for found in report.warnings],
            '\n'.join(report.summary),
        )

    return told


def each(**fields):
    return lambda d: [entry.update(fields) for entry in d['annotations']]


def runs(entry):
    """Its polygon as run lengths."""
    x, y, w, h = entry['bbox']
    pixels = np.zeros((64, 96), np.uint8)
    pixels[y : y + h, x : x + w] = 1
    flat = np.concatenate([[0], pixels.ravel(order='F'), [2]])
    ends = np.flatnonzero(np.diff(flat))
    entry['segmentation'] = dict(size=[64, 96], counts=np.diff([0, *ends]).tolist())


def test_sound_data(tell, folder):
    errors, warnings, summary = tell(masks=True)
    assert not errors and not warnings
    assert summary.splitlines() == [
        f'train: {folder}/train.json, 6 pictures (96x64), 6 objects',
        '  to learn from: apple 2, pear 2, plum 2',
        f'val: {folder}/val.json, 3 pictures (96x64), 3 objects',
        '  to score: apple 1, pear 1, plum 1',
    ]


def test_all_crowd(tell):
    errors, warnings, _ = tell(each(iscrowd=1))
    assert len(errors) == 1 and not warnings
    assert errors[0] == (
        'none of its 6 objects is left to learn from (left out: 6 objects that are crowds '
        '("iscrowd" 1)): write "iscrowd" 0 for single objects.'
    )
    tell(each(iscrowd=0))
    errors, warnings, _ = tell(each(iscrowd=1), 'val')
    assert not errors and 'none of its 3 objects is left to score' in warnings[0]


def test_some_crowd_is_a_line(tell):
    errors, warnings, summary = tell(lambda d: d['annotations'][3].update(iscrowd=1))
    assert not errors and not warnings
    assert 'left out: 1 object that are crowds' in summary and 'apple 1' in summary


@pytest.mark.parametrize(
    'change, words',
    [
        (each(ignore=1), 'marked "ignore"'),
        (each(area=0), 'of an "area" of 0'),
        (each(bbox=[500, 500, 20, 20]), 'outside their pictures'),
        (each(bbox=[5, 5, 0.5, 20]), 'narrower than a pixel'),
        (each(bbox=[0.2, 0.1, 0.3, 0.5], area=0.15), r'parts of the picture, from 0 to 1'),
    ],
)
def test_nothing_is_left(tell, change, words):
    errors, _, summary = tell(change)
    assert any('none of its 6 objects is left to learn from' in e and words in e for e in errors)
    assert 'to learn from: nothing' in summary


def test_pictures_under_32(folder, tell):
    for path in (folder / 'images').iterdir():
        Image.new('RGB', (96, 28)).save(path)
    change = lambda d: [entry.update(height=28) for entry in d['images']]  # noqa: E731
    errors, _, _ = tell(change)
    assert 'left out: 6 pictures under 32 pixels' in errors[0]
    option = 'train_dataloader.dataset.filter_cfg.min_size=28'
    assert f'--cfg-options {option}' in errors[0]
    cfg = config(folder)
    name, value = option.split('=')
    cfg.merge_from_dict({name: int(value)})
    assert not [e for e in check_splits(cfg, ('train',)).errors if 'left' in e.message]


def test_some_pictures_are_left_out(folder, tell):
    Image.new('RGB', (96, 28)).save(folder / 'images/train_0.png')

    def change(data):
        data['images'][0]['height'] = 28
        data['annotations'][0]['bbox'] = [4, 2, 24, 24]
        data['annotations'] = data['annotations'][:4]

    errors, warnings, summary = tell(change)
    assert not errors and not warnings
    assert 'left out: 2 pictures without objects; 1 picture under 32 pixels' in summary


def test_a_class_that_val_alone_has(tell):
    only = lambda d: d.update(  # noqa: E731
        annotations=[a for a in d['annotations'] if a['category_id'] != 5]
    )
    errors, warnings, _ = tell(only)
    assert not errors and len(warnings) == 1
    assert 'it has 1 class (plum) of which' in warnings[0]
    _, warnings, _ = tell(only, 'val')
    assert 'it has nothing to learn 1 class from (plum)' in warnings[0] and len(warnings) == 1


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda d: d['categories'].reverse(), 'it lists its categories otherwise'),
        (lambda d: d['categories'][1].update(name='fig'), 'its "categories" lack \'pear\''),
        (lambda d: [c.update(name=f'x{c["id"]}') for c in d['categories']], 'none of the classes'),
    ],
)
def test_classes_that_differ(tell, change, words):
    errors, _, _ = tell(change, 'val')
    assert any(words in error and 'same "categories"' in error for error in errors)


def test_a_class_more_is_left_out(tell):
    def change(data):
        data['categories'].append(dict(id=6, name='fig'))
        data['annotations'][0]['category_id'] = 6

    errors, warnings, summary = tell(change, 'val')
    assert not errors and '(fig) are not among those that the model learns' in warnings[0]
    assert '1 object of other classes' in summary


def test_corners_for_boxes(tell):
    def corners(data):
        for entry in data['annotations']:
            x, y, w, h = entry['bbox']
            entry['bbox'] = [x + 40, y + 16, x + 40 + w, y + 16 + h]

    errors, _, _ = tell(corners)
    assert 'as [x1, y1, x2, y2] all would fit' in errors[0] and '6 of 6 boxes' in errors[0]


def test_boxes_that_end_beyond(tell):
    errors, warnings, _ = tell(each(bbox=[90, 50, 12, 30]))
    assert not errors
    assert 'its box [90.0, 50.0, 12.0, 30.0] ends beyond its picture' in warnings[0]
    assert '(6 of 6 boxes)' in warnings[0]


@pytest.mark.parametrize('split', ['train', 'val'])
@pytest.mark.parametrize(
    'mask, words',
    [
        ([], 'annotation number 1: its "segmentation" is empty'),
        ([[3, 3, 27, 27]], 'has a polygon of 4 numbers'),
        ([3, 3, 27, 3, 27, 27], 'is a flat list'),
        (dict(size=[96, 64], counts=[96 * 64]), 'its run lengths are of 64x96 pixels'),
    ],
)
def test_masks_that_are_wrong(tell, split, mask, words):
    change = lambda d: d['annotations'][1].update(segmentation=mask)  # noqa: E731
    assert not tell(change, split)[0]
    errors, _, _ = tell(split=split, masks=True)
    assert len(errors) == 1 and words in errors[0]


def test_one_polygon_in_a_thousand(tell):
    """Published sets have such; mmdet ignores the object in training, but scoring fails."""

    def change(data):
        first = data['annotations'][0]
        data['annotations'] = [dict(first, id=i + 1) for i in range(1000)]
        data['annotations'][7] = dict(first, id=8, segmentation=[[3, 3, 27, 27]])

    errors, warnings, _ = tell(change, masks=True)
    assert not errors and 'annotation number 7: its "segmentation"' in warnings[0]
    assert 'polygon of 4 numbers' in tell(change, 'val', masks=True)[0][0]


def test_a_missing_mask(tell):
    errors, _, _ = tell(lambda d: d['annotations'][1].pop('segmentation'), 'val', masks=True)
    assert 'annotation number 1: its "segmentation" is missing' in errors[0]


def test_run_lengths_where_polygons_alone_are_learnt(tell):
    change = lambda d: [runs(entry) for entry in d['annotations']]  # noqa: E731
    assert not tell(change, masks=True)[0]
    errors, _, _ = tell(masks=True, poly2mask=False)
    assert 'where this config takes polygons alone' in errors[0]
    assert 'poly2mask=True' in errors[0]


def test_masks_beside_their_boxes(tell):
    _, warnings, _ = tell(each(bbox=[60, 40, 20, 20]), masks=True)
    assert 'its mask lies elsewhere than its box (6 of 6 objects)' in warnings[0]


def turn(folder, orientation, size=(96, 64)):
    exif = Image.Exif()
    exif[274] = orientation
    for path in (folder / 'images').glob('train_*'):
        Image.new('RGB', size).save(path, exif=exif)


def test_pictures_turned_by_their_exif(folder, tell):
    turn(folder, 6)
    errors, _, _ = tell()
    assert 'train_0.png is 96x64 there, as it is stored, but training sees it 64x96' in errors[0]
    assert 'EXIF orientation 6' in errors[0] and '6 such pictures' in errors[0]
    # boxes of the picture as it is shown are right
    turn(folder, 6, (64, 96))
    assert not tell()[0]
    turn(folder, 3)
    errors, warnings, _ = tell()
    assert not errors and 'mirrored by its EXIF orientation 3' in warnings[0]


def test_sizes_that_differ(tell):
    errors, _, _ = tell(lambda d: d['images'][2].update(width=960, height=640))
    assert 'train_2.png is 960x640 there, but the picture has 96x64 pixels' in errors[0]


def test_pictures_that_cannot_be_read(folder, tell):
    images = folder / 'images'
    (images / 'train_0.png').unlink()
    (images / 'train_1.png').write_bytes(b'')
    (images / 'train_2.png').write_bytes((images / 'train_3.png').read_bytes()[:50])
    errors, _, _ = tell()
    for row, problem in enumerate(('missing', 'empty', 'unreadable')):
        assert any(f'train_{row}.png is {problem} (1 of 6 pictures)' in e for e in errors)


def test_sixteen_bits(folder, tell):
    deep = np.linspace(976, 2064, 64 * 96).reshape(64, 96).astype(np.uint16)
    for path in (folder / 'images').glob('train_*'):
        cv2.imwrite(str(path), deep)
    errors, warnings, _ = tell()
    assert not errors and len(warnings) == 1
    assert '6 of 6 pictures have more than 8 bits' in warnings[0]
    assert '976 to 2064 become 3 to 8' in warnings[0]


def test_no_objects(tell):
    errors, _, _ = tell(lambda d: d.update(annotations=[]))
    assert 'it has no "annotations"' in errors[0]


def test_an_unlabelled_test(folder, write_split, edit_json):
    write_split(folder, 'test', 2)
    edit_json(folder / 'test.json', lambda d: d.pop('annotations'))
    report = check_splits(config(folder), ('test',))
    assert not report.labelled and not report.errors
    assert 'there is nothing to score' in report.warnings[0].message
    assert check_splits(config(folder), ('train', 'val')).labelled


def test_pictures_that_are_learnt_and_scored(folder, tell):
    (folder / 'val.json').write_text((folder / 'train.json').read_text())
    errors, warnings, _ = tell()
    assert not errors and 'train_0.png is in' in warnings[0] and '(6 of 6 pictures)' in warnings[0]


def test_unlabelled_pictures_beside_labelled_ones(folder, tell, edit_json):
    """Such as semi-supervised training reads."""
    cfg = config(folder)
    labelled = cfg.train_dataloader.dataset
    (folder / 'more.json').write_text((folder / 'val.json').read_text())
    edit_json(folder / 'more.json', lambda d: d.update(annotations=[]))
    more = dict(labelled, ann_file='more.json', filter_cfg=dict(filter_empty_gt=False))
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[labelled, more])
    report = check_splits(cfg, ('train',))
    assert not report.errors and 'it has no annotations' in report.warnings[0].message


def test_several_at_once(folder, tell):
    (folder / 'images/val_0.png').write_bytes(b'')

    def change(data):
        data['annotations'][0]['bbox'] = []
        data['annotations'][1]['iscrowd'] = 'yes'
        data['images'][2]['width'] = 12

    errors, _, _ = tell(change)
    assert len(errors) == 4


def test_pictures_are_left_alone_where_asked(folder):
    for path in (folder / 'images').iterdir():
        path.unlink()
    assert not check_splits(config(folder), ('train', 'val'), pictures=False).errors


def test_a_run_reads_a_copy_with_ids(folder, edit_json, capsys):
    edit_json(
        folder / 'val.json', lambda d: [a.update(id=i) for i, a in enumerate(d['annotations'])]
    )
    cfg = config(folder)
    check_data(cfg, ('train', 'val'))
    copy = cfg.val_evaluator.ann_file
    assert cfg.val_dataloader.dataset.ann_file == copy != str(folder / 'val.json')
    assert [a['id'] for a in json.loads(open(copy).read())['annotations']] == [1, 2, 3]
    assert cfg.train_dataloader.dataset.ann_file == 'train.json'
    told = capsys.readouterr().out
    assert 'has the id 0' in told and told == (folder / 'work/data.txt').read_text()


def test_id_0_scores_right(folder, edit_json):
    """Perfect predictions, through mmdet's own metric on the copy."""
    import torch
    from mmdet.evaluation import CocoMetric

    edit_json(
        folder / 'val.json', lambda d: [a.update(id=i) for i, a in enumerate(d['annotations'])]
    )
    cfg = config(folder)
    check_data(cfg, ('val',))
    data = json.loads((folder / 'val.json').read_text())

    def score(ann_file):
        metric = CocoMetric(ann_file=str(ann_file))
        metric.dataset_meta = dict(classes=CLASSES)
        for entry in data['annotations']:
            x, y, w, h = entry['bbox']
            found = dict(
                bboxes=torch.tensor([[x, y, x + w, y + h]], dtype=torch.float32),
                scores=torch.tensor([0.9]),
                labels=torch.tensor([[1, 4, 5].index(entry['category_id'])]),
            )
            sample = dict(img_id=entry['image_id'], ori_shape=(64, 96), pred_instances=found)
            metric.process({}, [sample])
        return metric.evaluate(3)['coco/bbox_mAP']

    assert score(folder / 'val.json') < 0.7
    assert score(cfg.val_evaluator.ann_file) == pytest.approx(1)


@pytest.mark.parametrize('filters', [{}, dict(filter_empty_gt=True, min_size=32)])
def test_what_is_left_is_what_mmdet_leaves(tmp_path, filters):
    """Counted by mmdet's own data set, on objects drawn wrong in every way that it drops."""
    from mmdet.datasets import CocoDataset

    rng = np.random.default_rng(0)
    root = tmp_path / 'mixed'
    (root / 'images').mkdir(parents=True)
    images = [
        dict(id=i, file_name=f'{i}.png', width=int(w), height=int(h))
        for i, (w, h) in enumerate(rng.integers(20, 60, (60, 2)))
    ]
    for entry in images:
        Image.new('RGB', (entry['width'], entry['height'])).save(
            root / 'images' / entry['file_name']
        )
    annotations = []
    for number in range(150):
        x, y, w, h = rng.choice([-30, -5, 0.2, 0.9, 1, 12, 25, 70], 4).tolist()
        annotations.append(
            dict(
                id=number + 1,
                image_id=int(rng.integers(0, 40)),
                category_id=int(rng.choice([1, 4, 5, 6])),
                bbox=[x, y, w, h],
                area=float(rng.choice([0, 50, 60, 70])),
                iscrowd=int(rng.random() < 0.1),
                ignore=int(rng.random() < 0.1),
            )
        )
    names = (*CLASSES, 'fig')
    categories = [dict(id=i, name=n) for i, n in zip((1, 4, 5, 6), names, strict=True)]
    data = dict(images=images, annotations=annotations, categories=categories)
    (root / 'train.json').write_text(json.dumps(data))
    cfg = config(root, filter_cfg=filters)
    report = check_splits(cfg, ('train',))
    dataset = CocoDataset(
        data_root=str(root),
        ann_file='train.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=CLASSES),
        filter_cfg=filters,
        pipeline=[],
    )
    left = [
        CLASSES[instance['bbox_label']]
        for i in range(len(dataset))
        for instance in dataset.get_data_info(i)['instances']
        if not instance['ignore_flag']
    ]
    counts = {name: left.count(name) for name in CLASSES}
    line = next(line for line in report.summary if 'to learn from' in line)
    told = dict(part.split() for part in line.split(': ')[1].split(', '))
    assert {name: int(count) for name, count in told.items()} == counts
    assert min(counts.values()) > 0
    lines = ' '.join(line for line in report.summary if line.startswith('  left out'))
    pictures = sum(map(int, re.findall(r'(\d+) pictures? (?:without|under)', lines)))
    assert len(dataset) == 60 - pictures


def test_data_sets_of_another_reading_are_said_not_to_be_checked(folder):
    cfg = config(folder, type='CrowdHumanDataset')
    report = check_splits(cfg, ('train',))
    assert not report.findings and 'CrowdHumanDataset, which is not checked' in report.summary[0]
