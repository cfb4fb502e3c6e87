from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from recipes.checks import check_data
from recipes.data.maps import DEPTHS as KIND
from recipes.depth import use_depth_folder
from recipes.outcome import draw_depths
from recipes.pairs import find_pairs

pytest.importorskip('mmseg')
from mmengine.config import Config  # noqa: E402
from mmengine.hub import get_config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

DEPTHS = np.full((12, 16), 1500, np.uint16)


def write_pair(root, split, name, depths, suffix='.png'):
    for kind in ('images', 'depth'):
        (root / kind / split / name).parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((*depths.shape[:2], 3), 90, np.uint8)
    cv2.imwrite(str(root / 'images' / split / f'{name}{suffix}'), picture)
    cv2.imwrite(str(root / 'depth' / split / f'{name}.png'), depths)


@pytest.fixture
def read(check_maps):
    return lambda root: check_maps(root, 'NYUDataset', 'depth_map_path', 'depth', '.png')


@pytest.fixture
def root(tmp_path):
    for split, name, suffix in [
        ('train', 'a', '.png'),
        ('train', 'b', '.png'),
        ('val', 'c', '.JPG'),
    ]:
        write_pair(tmp_path, split, name, DEPTHS, suffix)
    return tmp_path


def test_a_folder(root, read):
    report = read(root)
    assert not report.findings
    assert report.summary[:2] == [
        f'train: {root}/depth/train, 2 pictures (16x12)',
        '  depths: 1500 to 1500 mm, known of 100 % of the pixels',
    ]
    assert {split: len(found) for split, found in find_pairs(root, KIND).items()} == {
        'train': 2,
        'val': 1,
    }
    write_pair(root, 'test', 'deeper/d', DEPTHS, '.tif')
    assert find_pairs(root, KIND)['test'][0][0].name == 'd.tif'


@pytest.mark.parametrize(
    'depths, words',
    [
        (np.full((12, 16), 150, np.uint8), 'b.png: it has 8 bits: a depth map is a PNG of 16 bits'),
        (np.full((12, 16, 3), 9, np.uint8), 'b.png: it is a colour picture: a depth map has one'),
        (np.full((16, 12), 9, np.uint16), 'b.png: it has 12x16 pixels, but its picture'),
    ],
)
def test_wrong_depth_maps(root, read, depths, words):
    cv2.imwrite(str(root / 'depth/train/b.png'), depths)
    assert words in str(read(root).errors[0])


def test_no_depths(root, read):
    nothing = np.zeros((12, 16), np.uint16)
    cv2.imwrite(str(root / 'depth/train/b.png'), nothing)
    report = read(root)
    assert not report.errors
    assert 'b.png: it knows no depth (1 of 2 maps)' in str(report.warnings[0])
    cv2.imwrite(str(root / 'depth/train/a.png'), nothing)
    assert 'it knows no depth (2 of 2 maps)' in str(read(root).errors[0])


@pytest.mark.parametrize('value, least', [(3, '3 to 3 mm'), (2_000_000, None)])
def test_depths_in_another_unit(root, read, value, least):
    for name in 'ab':
        write_pair(root, 'train', name, np.full((12, 16), min(value, 65535), np.uint16))
    told = [str(found) for found in read(root).warnings]
    assert bool(told) == (least is not None)
    assert not told or f'depths go from {least}: values are millimetres' in told[0]


@pytest.mark.parametrize(
    'lost, words',
    [
        ('images/val', 'images/val is missing or holds no pictures: .* their depth maps, PNG'),
        ('depth/train/a.png', r'1 of the 2 pictures in .*train have no depth map, .*a.png is miss'),
        ('images/train/a.png', r'depth/train/a.png is the depth map of a picture that is missing'),
    ],
)
def test_missing_files(root, lost, words):
    (root / lost).rename(root / 'elsewhere')
    with pytest.raises(FileNotFoundError, match=words):
        find_pairs(root, KIND)


def test_no_folder():
    with pytest.raises(FileNotFoundError, match='there is no folder'):
        use_depth_folder(Config(), 'nowhere')


CONFIG = Path(__file__).parents[3] / 'configs/depthformer_swin_t_bilinear.py'
NYU = 'vpd/vpd_sd_4xb8-25k_nyu-480x480.py'


def test_depths_are_those_of_the_files(root):
    """mmseg's own config of NYU, read through its data set."""
    from mmseg.registry import DATASETS

    depths = DEPTHS.copy()
    depths[:3] = 0
    write_pair(root, 'val', 'c', depths, '.JPG')
    cfg = get_config(f'mmseg::{NYU}')
    use_depth_folder(cfg, root)
    init_default_scope('mmseg')
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    assert len(dataset) == 1
    depth = dataset[0]['data_samples'].gt_depth_map.data[0]
    torch.testing.assert_close(depth, torch.from_numpy(depths.astype(np.float32) / 1000))
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert set(evaluator) <= {'type', '_scope_'} and evaluator.type == 'DepthMetric'
    cfg.work_dir = str(root / 'work')
    check_data(cfg, ('train', 'val', 'test'))


def test_the_crop_of_nyu_gives_way(shapes):
    """To short edges of 480, those that the pictures have when they are tested."""
    cfg = Config.fromfile(CONFIG)
    steps = [step['type'] for step in cfg.train_dataloader.dataset.pipeline]
    use_depth_folder(cfg, shapes)
    train, test = (cfg[f'{name}_dataloader'].dataset.pipeline for name in ('train', 'test'))
    assert train[2].type == 'Resize' and train[2].scale == test[1].scale == (2000, 480)
    assert [step['type'] for step in train] == ['Resize' if s == 'NYUCrop' else s for s in steps]


def test_missing_data_names_the_folder():
    cfg = get_config(f'mmseg::{NYU}')
    cfg.train_dataloader.dataset.data_root = '/nowhere'
    with pytest.raises(FileNotFoundError, match='/nowhere/images/train is missing'):
        check_data(cfg, ('train',))


def test_depths_are_drawn_in_the_same_colours():
    sample = SegDataSample()
    truth = torch.tensor([[[1.0, 2.0], [3.0, 0.0]]])
    pred = torch.tensor([[[1.0, 3.0], [9.0, 2.0]]])
    sample.set_data(dict(gt_depth_map=PixelData(data=truth), pred_depth_map=PixelData(data=pred)))
    left, right = draw_depths(sample)
    assert left.dtype == right.dtype == np.uint8 and left.shape == right.shape == (2, 2, 3)
    assert (left[1, 1] == 0).all() and (right[1, 1] == left[0, 1]).all()
    assert (right[0, 0] == left[0, 0]).all()
    assert (right[0, 1] == left[1, 0]).all() and (right[1, 0] == left[1, 0]).all()
    brightness = left.sum(-1, dtype=int)
    assert brightness[0, 0] > brightness[0, 1] > brightness[1, 0] > 0
