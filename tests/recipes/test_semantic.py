from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmdyup.recipes.checks import check_data
from mmdyup.recipes.semantic import label_map_datasets, use_semantic_folder
from mmdyup.recipes.walk import walk

pytest.importorskip('mmseg')
from mmengine.config import Config  # noqa: E402
from mmengine.hub import get_config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

SEGFORMER = 'segformer/segformer_mit-b1_8xb2-160k_ade20k-512x512.py'


@pytest.mark.parametrize(
    'name, counts',
    [
        (SEGFORMER, 1),
        ('upernet/upernet_r50_4xb2-40k_cityscapes-512x1024.py', 2),
        ('ocrnet/ocrnet_hr18_4xb4-80k_ade20k-512x512.py', 2),
        ('unet/unet-s5-d16_fcn_4xb4-40k_chase-db1-128x128.py', 2),
    ],
)
def test_every_head_counts_the_folders_classes(shapes, name, counts):
    cfg = get_config(f'mmseg::{name}')
    use_semantic_folder(cfg, shapes)
    found = [node['num_classes'] for node in walk(cfg.model) if 'num_classes' in node]
    names = tuple((shapes / 'classes.txt').read_text().split())
    assert found == [len(names)] * counts
    for split in ('train', 'val', 'test'):
        source = 'train' if split == 'train' else 'val'
        datasets = label_map_datasets(cfg[f'{split}_dataloader'])
        assert datasets
        for dataset in datasets:
            assert dataset.metainfo.classes == names
            assert len(set(dataset.metainfo.palette)) == len(names)
            assert dataset.data_prefix.seg_map_path == f'semantic/{source}'
    check_data(cfg, ('train', 'val', 'test'))


def test_labels_are_those_of_the_files(shapes):
    """mmseg's own data set, built from the edited config of one in which 0 is no class, against
    the PNG: every value as it stands, 0 included."""
    from mmseg.registry import DATASETS

    cfg = get_config(f'mmseg::{SEGFORMER}')
    use_semantic_folder(cfg, shapes)
    init_default_scope('mmseg')
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    assert len(dataset) == len(list((shapes / 'images/val').iterdir()))
    for i in range(len(dataset)):
        sample = dataset[i]['data_samples']
        path = shapes / 'semantic/val' / Path(sample.img_path).name
        wanted = torch.from_numpy(np.array(Image.open(path))).long()
        assert torch.equal(sample.gt_sem_seg.data[0].long(), wanted)
        assert (wanted == 0).any()


def test_a_test_set_of_its_own_and_another_suffix(tmp_path):
    for split, suffix in (('train', 'png'), ('val', 'jpg'), ('test', 'bmp')):
        for kind in ('images', 'semantic'):
            (tmp_path / kind / split).mkdir(parents=True)
        Image.new('RGB', (8, 6)).save(tmp_path / f'images/{split}/a.{suffix}')
        Image.new('L', (8, 6), 1).save(tmp_path / f'semantic/{split}/a.png')
    cfg = get_config(f'mmseg::{SEGFORMER}')
    use_semantic_folder(cfg, tmp_path)
    suffixes = [cfg[f'{split}_dataloader'].dataset.img_suffix for split in ('train', 'val', 'test')]
    assert suffixes == ['.png', '.jpg', '.bmp']
    assert cfg.test_dataloader.dataset.data_prefix.img_path == 'images/test'


def test_weights_of_the_old_classes_go(shapes):
    cfg = get_config(f'mmseg::{SEGFORMER}')
    count = len((shapes / 'classes.txt').read_text().split())
    cfg.model.decode_head.loss_decode.class_weight = [0.5] * 150 + [0.1]
    use_semantic_folder(cfg, shapes)
    assert cfg.model.decode_head.loss_decode.class_weight == [1.0] * count + [0.1]


def test_configs_of_another_kind(shapes):
    with pytest.raises(ValueError, match='--data takes segmentation configs'):
        use_semantic_folder(Config(dict(model=dict(), train_dataloader=None)), shapes)


def test_missing_data_names_the_folder_and_the_remedy():
    cfg = get_config(f'mmseg::{SEGFORMER}')
    cfg.train_dataloader.dataset.data_root = '/nowhere'
    with pytest.raises(FileNotFoundError, match='/nowhere/images/training is missing.*--data'):
        check_data(cfg, ('train',))
