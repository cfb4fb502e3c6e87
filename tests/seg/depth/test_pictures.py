"""Pictures of known depth, and what training does to them."""

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmseg')
from mmengine.registry import init_default_scope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.evaluation import DepthMetric  # noqa: E402
from mmseg.registry import DATASETS, TRANSFORMS  # noqa: E402

from mmdyup.seg.depth import NYUCrop, RandomColors  # noqa: E402


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


def results(height=480, width=640):
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows % 256, columns % 256, rows // 256], -1).astype(np.uint8)
    depth = (rows * 1000 + columns).astype(np.float32)
    return dict(img=image, gt_depth_map=depth, seg_fields=['gt_depth_map'], img_path='a.jpg')


def test_the_border_of_nyu_is_cut():
    found = TRANSFORMS.build(dict(type='NYUCrop'))(results())
    assert found['img'].shape == (427, 565, 3) and found['img_shape'] == (427, 565)
    assert found['gt_depth_map'].shape == (427, 565)
    assert found['gt_depth_map'][0, 0] == 45_043 and found['gt_depth_map'][-1, -1] == 471_607
    assert found['img'][0, 0].tolist() == [45, 43, 0]


def test_other_pictures_are_refused():
    with pytest.raises(ValueError, match='of 640x480, but a.jpg has 200x100: leave NYUCrop out'):
        NYUCrop()(results(100, 200))


def test_colors_stay_in_their_ranges():
    before = results()
    before['img'] = np.full((4, 5, 3), 100, np.uint8)
    step = RandomColors(prob=1)
    for _ in range(50):
        image = step(dict(before))['img']
        assert image.dtype == np.float32 and image.shape == (4, 5, 3)
        assert (image == image[0, 0]).all()
        assert 100**0.9 * 0.75 * 0.9 <= image.min() and image.max() <= 100**1.1 * 1.25 * 1.1
    assert len(set(image[0, 0].tolist())) == 3
    assert RandomColors(prob=0)(before)['img'] is before['img']
    before['img'] = np.full((4, 5, 3), 255, np.uint8)
    assert max(step(dict(before))['img'].max() for _ in range(20)) == 255


def test_colors_of_fixed_ranges():
    step = RandomColors(prob=1, gamma=(2, 2), brightness=(0.5, 0.5), color=(1, 1))
    found = step(dict(img=np.array([[[0, 3, 200]]], np.uint8)))['img']
    assert found.tolist() == [[[0, 4.5, 255]]]


def test_what_rotation_uncovers_has_no_depth():
    """The config's, for mmseg pads with 255 else."""
    step = TRANSFORMS.build(dict(type='RandomRotate', prob=1, degree=(30, 30.1), seg_pad_val=0))
    found = step(dict(results(60, 80), gt_depth_map=np.full((60, 80), 7, np.float32)))
    assert set(np.unique(found['gt_depth_map'])) == {0, 7}


def test_any_name_of_a_picture(tmp_path):
    for kind in ('images', 'depth'):
        (tmp_path / kind).mkdir()
    cv2.imwrite(str(tmp_path / 'images/kitchen.png'), np.zeros((4, 6, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'depth/kitchen.png'), np.full((4, 6), 2500, np.uint16))
    dataset = DATASETS.build(
        dict(
            type='DepthDataset',
            data_root=str(tmp_path),
            data_prefix=dict(img_path='images', depth_map_path='depth'),
            img_suffix='.png',
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadDepthAnnotation', depth_rescale_factor=1e-3),
                dict(type='PackSegInputs'),
            ],
        )
    )
    assert len(dataset) == 1
    depth = dataset[0]['data_samples'].gt_depth_map.data
    torch.testing.assert_close(depth, torch.full((1, 4, 6), 2.5))


def test_the_metric_is_of_the_pixels_that_nyu_scores():
    """mmseg's, with the numbers of the config, against plain sums."""
    metric = DepthMetric(min_depth_eval=0.001, max_depth_eval=10.0, crop_type='nyu_crop')
    truth = torch.full((1, 480, 640), 2.0)
    truth[:, :, :300] = 0
    truth[:, 100, 400] = 11
    pred = torch.full((1, 480, 640), 2.2)
    pred[:, :45] = 9
    pred[:, 200:300] = 3
    sample = dict(
        pred_depth_map=PixelData(data=pred).to_dict(), gt_depth_map=PixelData(data=truth).to_dict()
    )
    metric.process({}, [sample])
    found = metric.compute_metrics(metric.results)
    wrong, all_of_them = 100 * 301, 426 * 301 - 1
    right = all_of_them - wrong
    expected = dict(d1=right / all_of_them, abs_rel=(0.1 * right + 0.5 * wrong) / all_of_them)
    expected['rmse'] = ((0.04 * right + wrong) / all_of_them) ** 0.5
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=0)
