import json
from pathlib import Path

import pytest
from mmengine.config import Config

from recipes.config import leaf_datasets, walk
from recipes.data.check import check_splits
from recipes.folder import use_folder

pytest.importorskip('mmdet')
from mmengine.hub import get_config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402


@pytest.mark.parametrize(
    'name, heads',
    [
        ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', 1),
        ('mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', 2),
        ('cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py', 4),
        ('retinanet/retinanet_r50_fpn_1x_coco.py', 1),
        ('yolox/yolox_s_8xb8-300e_coco.py', 1),
        ('rtmdet/rtmdet_tiny_8xb32-300e_coco.py', 1),
    ],
)
def test_every_head_counts_the_folders_classes(folder, name, heads):
    cfg = get_config(f'mmdet::{name}')
    use_folder(cfg, folder)
    counts = [node['num_classes'] for node in walk(cfg.model) if 'num_classes' in node]
    assert counts == [3] * heads
    for split in ('train', 'val', 'test'):
        datasets = leaf_datasets(cfg[f'{split}_dataloader'])
        assert datasets
        for dataset in datasets:
            assert dataset.metainfo.classes == ('apple', 'pear', 'plum')
            assert len(set(dataset.metainfo.palette)) == 3
            wanted = 'train.json' if split == 'train' else 'val.json'
            assert Path(dataset.data_root, dataset.ann_file) == folder / wanted


def test_other_counts_of_classes_stay(folder):
    """A head that tells things apart that are not the data set's classes keeps its number."""
    cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    cfg.model.rpn_head.num_classes = 1
    use_folder(cfg, folder)
    assert cfg.model.rpn_head.num_classes == 1


def test_labels_and_evaluation_follow_the_file(folder):
    """mmdet's own data set, built from the edited config, against the JSON itself."""
    from mmdet.registry import DATASETS, METRICS

    cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    use_folder(cfg, folder)
    init_default_scope('mmdet')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    data = json.loads((folder / 'train.json').read_text())
    names = {c['id']: c['name'] for c in data['categories']}
    wanted = {
        d['file_name']: names[a['category_id']]
        for d, a in zip(data['images'], data['annotations'], strict=True)
    }
    seen = {}
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        assert Path(info['img_path']).is_file()
        label = info['instances'][0]['bbox_label']
        seen[Path(info['img_path']).name] = dataset.metainfo['classes'][label]
    assert seen == wanted
    metric = METRICS.build(cfg.val_evaluator)
    assert len(metric._coco_api.get_img_ids()) == 3


def test_test_json_is_used_where_there_is_one(folder, write_split):
    write_split(folder, 'test', 4)
    cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    use_folder(cfg, folder)
    assert cfg.test_dataloader.dataset.ann_file == 'test.json'
    assert cfg.test_evaluator.ann_file == str(folder / 'test.json')
    assert cfg.val_dataloader.dataset.ann_file == 'val.json'
    assert cfg.val_evaluator.ann_file == str(folder / 'val.json')


def test_pictures_in_folders_of_their_own(tmp_path, write_split):
    write_split(tmp_path, 'train', 3, folder='images/train')
    write_split(tmp_path, 'val', 3, folder='images')
    cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    use_folder(cfg, tmp_path)
    assert cfg.train_dataloader.dataset.data_prefix == dict(img='images/train/')
    assert cfg.val_dataloader.dataset.data_prefix == dict(img='images/')


def errors(cfg):
    return [str(found) for found in check_splits(cfg, ('train', 'val')).errors]


def test_missing_pictures(folder):
    (folder / 'images/val_1.png').unlink()
    cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    use_folder(cfg, folder)
    assert 'images: val_1.png is missing (1 of 3 pictures)' in errors(cfg)[0]
    for path in (folder / 'images').glob('train_*'):
        path.unlink()
    assert 'train_0.png is missing (6 of 6 pictures)' in errors(cfg)[0]


def test_boxes_are_enough_unless_the_model_learns_masks(folder, edit_json):
    edit_json(folder / 'train.json', lambda d: [a.pop('segmentation') for a in d['annotations']])
    cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    use_folder(cfg, folder)
    assert not errors(cfg)
    cfg = get_config('mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py')
    use_folder(cfg, folder)
    assert 'its "segmentation" is missing (6 of 6 objects)' in errors(cfg)[0]


def test_a_config_of_voc(folder):
    """Its XML gives way to COCO's JSON, once, and so does its metric."""
    from mmdet.registry import DATASETS, METRICS

    cfg = get_config('mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py')
    use_folder(cfg, folder)
    init_default_scope('mmdet')
    assert not errors(cfg)
    assert cfg.model.roi_head.bbox_head.num_classes == 3
    train = DATASETS.build(cfg.train_dataloader.dataset)
    assert len(train) == 3 * 6 and len(leaf_datasets(cfg.train_dataloader)) == 1
    assert len(DATASETS.build(cfg.val_dataloader.dataset)) == 3
    assert len(METRICS.build(cfg.val_evaluator)._coco_api.get_img_ids()) == 3


def test_classes_that_no_one_lists(folder):
    cfg = Config(
        dict(
            default_scope='mmdet',
            model=dict(),
            train_dataloader=dict(dataset=dict(type='OpenImagesDataset', ann_file='a.csv')),
        )
    )
    with pytest.raises(ValueError, match='OpenImagesDataset of this config lists no classes'):
        use_folder(cfg, folder)


def test_configs_of_another_kind(folder):
    cfg = Config(dict(train_dataloader=dict(dataset=dict(type='VOCDataset', data_root='data'))))
    with pytest.raises(ValueError, match='--data takes configs that train on COCO boxes'):
        use_folder(cfg, folder)
