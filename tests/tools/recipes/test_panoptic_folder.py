"""Panoptic configs on a folder, with Shapes as the folder."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from recipes.config import walk
from recipes.data.check import check_splits
from recipes.folder import use_folder

pytest.importorskip('mmdet')
from mmengine.hub import get_config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

THINGS, STUFF = ('circle', 'square', 'triangle', 'star'), ('ground', 'path')


@pytest.fixture
def root(shapes, tmp_path):
    """A Shapes folder of one's own to spoil."""
    return Path(shutil.copytree(shapes, tmp_path / 'shapes'))


@pytest.fixture
def cfg():
    init_default_scope('mmdet')
    return get_config('mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py')


def truth(root, name):
    """The labels, (H, W), of a picture to validate on, and its segments' ids, from Shapes' other
    files: values 0 and 1 of the semantic map are the stuff, the others the things."""
    semantic = cv2.imread(str(root / 'semantic/val' / name), cv2.IMREAD_UNCHANGED).astype(int)
    colours = cv2.imread(str(root / 'panoptic/val' / name)).astype(int)
    return (semantic - 2) % (len(THINGS) + len(STUFF)), colours @ (65536, 256, 1)


def test_every_head_counts_things_and_stuff(cfg, shapes):
    use_folder(cfg, shapes)
    found = [
        (key, node[key])
        for node in walk(cfg.model)
        for key in ('num_classes', 'num_things_classes', 'num_stuff_classes')
        if key in node
    ]
    assert (
        sorted(found)
        == [('num_classes', 4)] * 2
        + [('num_stuff_classes', 2)] * 2
        + [('num_things_classes', 4)] * 2
    )
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        assert dataset.metainfo.classes == THINGS + STUFF
        assert dataset.metainfo.thing_classes == THINGS
        assert dataset.metainfo.stuff_classes == STUFF
        assert len(set(dataset.metainfo.palette)) == 6
        name = 'train' if split == 'train' else 'val'
        assert dataset.ann_file == f'panoptic_{name}.json'
        assert dataset.data_prefix == dict(img=f'images/{name}/', seg=f'panoptic/{name}/')


def test_what_the_model_learns(cfg, shapes):
    """mmdet's data set, built from the edited config, against Shapes' semantic maps."""
    from mmdet.registry import DATASETS

    use_folder(cfg, shapes)
    for node in walk(cfg.val_dataloader):
        if node.get('type') == 'Resize':
            node['scale'] = (128, 128)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        labels, ids = truth(shapes, Path(sample.img_path).name)
        assert (sample.gt_sem_seg.sem_seg[0].numpy() == labels).all()
        objects = {value for value in np.unique(ids) if labels[ids == value][0] < len(THINGS)}
        assert len(sample.gt_instances) == len(objects)
        for label, mask in zip(
            sample.gt_instances.labels, sample.gt_instances.masks.masks, strict=True
        ):
            assert (labels[mask > 0] == int(label)).all()


def test_what_the_metric_reads(cfg, shapes):
    """Ground truth as the prediction has quality 100; with two labels exchanged, it has less."""
    from mmdet.registry import DATASETS, METRICS

    use_folder(cfg, shapes)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)

    def quality(relabel):
        metric = METRICS.build(cfg.val_evaluator)
        metric.dataset_meta = dataset.metainfo
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            labels, ids = truth(shapes, Path(info['img_path']).name)
            # mmdet's code of a segment: its label, and a thousand for each instance
            instances = np.unique(ids, return_inverse=True)[1].reshape(ids.shape) + 1
            coded = relabel[labels] + 1000 * np.where(labels < len(THINGS), instances, 0)
            metric.process(
                {},
                [
                    dict(
                        img_id=info['img_id'],
                        img_path=info['img_path'],
                        ori_shape=ids.shape,
                        pred_panoptic_seg=dict(sem_seg=torch.from_numpy(coded)[None]),
                    )
                ],
            )
        return metric.compute_metrics(metric.results)

    same = np.arange(6)
    assert [quality(same)[key] for key in ('PQ', 'PQ_th', 'PQ_st')] == pytest.approx([100] * 3)
    exchanged = quality(same[[0, 1, 2, 3, 5, 4]])
    assert exchanged['PQ_th'] == pytest.approx(100)
    assert exchanged['PQ_st'] < 1


def test_test_json_is_used_where_there_is_one(cfg, root):
    shutil.copy(root / 'panoptic_val.json', root / 'panoptic_test.json')
    for folder in ('images', 'panoptic'):
        shutil.copytree(root / folder / 'val', root / folder / 'test')
    use_folder(cfg, root)
    assert cfg.test_evaluator.ann_file == str(root / 'panoptic_test.json')
    assert cfg.test_evaluator.seg_prefix == str(root / 'panoptic/test')
    assert cfg.test_dataloader.dataset.data_prefix.img == 'images/test/'
    assert cfg.val_evaluator.seg_prefix == str(root / 'panoptic/val')


def test_a_folder_for_detection(cfg, folder):
    with pytest.raises(FileNotFoundError, match='panoptic_train.json is missing.*DIR/panoptic/val'):
        use_folder(cfg, folder)


def errors(cfg, splits=('train', 'val')):
    return [str(found) for found in check_splits(cfg, splits).errors]


def test_sound_data(cfg, root):
    use_folder(cfg, root)
    report = check_splits(cfg, ('train', 'val'))
    assert not report.findings
    data = json.loads((root / 'panoptic_train.json').read_text())
    count = sum(len(entry['segments_info']) for entry in data['annotations'])
    assert report.summary[0].endswith(f'4 pictures (128x128), {count} segments')


def test_missing_label_maps(cfg, root):
    missing = next((root / 'panoptic/val').iterdir())
    missing.unlink()
    use_folder(cfg, root)
    assert f'{missing}: it is missing (1 of 2 PNGs)' in errors(cfg)[0]


def repaint(root, change):
    for path in (root / 'panoptic/train').iterdir():
        cv2.imwrite(str(path), change(cv2.imread(str(path))))


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda c: c[..., 0], 'it is gray, but the colours'),
        (lambda c: np.where(c == c[64, 64], 0, c), 'is not in that PNG'),
        (lambda c: c[..., ::-1], 'is not in that PNG'),
        (lambda c: c[:64], 'another size than its picture, 128x128'),
    ],
)
def test_segments_against_their_png(cfg, root, change, words):
    """A gray PNG, a segment that is not drawn, colours the wrong way round, another size."""
    repaint(root, change)
    use_folder(cfg, root)
    assert any(words in error for error in errors(cfg))


def test_colours_that_no_segment_has(cfg, root):
    def change(colours):
        colours[:3] = (9, 9, 9)
        return colours

    repaint(root, change)
    use_folder(cfg, root)
    report = check_splits(cfg, ('train',))
    assert not report.errors and 'which "segments_info" does not list' in str(report.warnings[0])


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda d: d['categories'].reverse(), 'lists stuff before things'),
        (lambda d: [c.update(isthing=1) for c in d['categories']], 'lists no stuff'),
        (lambda d: [c.update(isthing=0) for c in d['categories']], 'lists no things'),
    ],
)
def test_categories_that_mmdet_cannot_learn(cfg, root, edit_json, change, words):
    edit_json(root / 'panoptic_train.json', change)
    with pytest.raises(ValueError, match=words):
        use_folder(cfg, root)


@pytest.mark.parametrize('name', ['a/1.png', '1.jpeg'])
def test_names_that_mmdet_does_not_look_for(cfg, root, edit_json, name):
    edit_json(root / 'panoptic_train.json', lambda d: d['images'][0].update(file_name=name))
    use_folder(cfg, root)
    assert any(f'{name!r} (1 such names): panoptic training takes' in e for e in errors(cfg))


def test_things_that_differ_between_the_parts(cfg, root, edit_json):
    edit_json(root / 'panoptic_val.json', lambda d: d['categories'][4].update(isthing=1))
    use_folder(cfg, root)
    assert "panoptic_val.json: 'ground' is a thing there" in errors(cfg)[0]


def test_stuff_alone_leaves_pictures_out(cfg, root, edit_json):
    """As mmdet's own data set does, which wants things."""
    from mmdet.registry import DATASETS

    def change(data):
        stuff = [c['id'] for c in data['categories'] if not c['isthing']]
        for entry in data['annotations'][:3]:
            entry['segments_info'] = [
                s for s in entry['segments_info'] if s['category_id'] in stuff
            ]

    edit_json(root / 'panoptic_train.json', change)
    use_folder(cfg, root)
    summary = check_splits(cfg, ('train',)).summary
    assert '  left out: 3 pictures without things' in summary
    assert len(DATASETS.build(cfg.train_dataloader.dataset)) == 1
