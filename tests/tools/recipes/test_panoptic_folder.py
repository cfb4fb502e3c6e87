"""Panoptic configs on a folder, with Shapes as the folder."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from recipes.config import walk
from recipes.folder import read_panoptic_annotations, use_folder

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


def test_missing_label_maps(cfg, root):
    missing = next((root / 'panoptic/val').iterdir())
    missing.unlink()
    with pytest.raises(FileNotFoundError, match=f'1 of the 2 label maps.*{missing.name}'):
        use_folder(cfg, root)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda d: d['categories'][0].pop('isthing'), 'category number 0 has no "isthing"'),
        (lambda d: d['annotations'][0].pop('segments_info'), 'has no "segments_info"'),
        (lambda d: d['annotations'][0]['segments_info'][0].pop('iscrowd'), 'has no "iscrowd"'),
        (lambda d: d['annotations'][0]['segments_info'][0].update(category_id=9), 'category 9'),
        (lambda d: d['annotations'][0].update(image_id=77), 'image 77'),
        (lambda d: d['categories'][0].update(name='path'), "the name 'path'"),
        (lambda d: d['categories'].reverse(), 'lists stuff before things'),
        (lambda d: [c.update(isthing=1) for c in d['categories']], 'lists no stuff'),
        (lambda d: [c.update(isthing=0) for c in d['categories']], 'lists no things'),
        (lambda d: d['images'][0].update(file_name='a/1.png'), "'a/1.png': .*no folder"),
        (lambda d: d['images'][0].update(file_name='1.jpeg'), "'1.jpeg'"),
    ],
)
def test_what_can_be_wrong_inside(root, edit_json, change, words):
    edit_json(root / 'panoptic_train.json', change)
    with pytest.raises(ValueError, match=words):
        read_panoptic_annotations(root / 'panoptic_train.json')


def test_things_that_differ_between_the_parts(cfg, root, edit_json):
    edit_json(root / 'panoptic_val.json', lambda d: d['categories'][4].update(isthing=1))
    with pytest.raises(ValueError, match='panoptic_val.json has other things'):
        use_folder(cfg, root)
