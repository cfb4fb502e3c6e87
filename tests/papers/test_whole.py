"""FLOPs of a two-stage detector, in miniature."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import mmdyup  # noqa: F401
from mmdyup.papers.count import count
from mmdyup.papers.whole import build_whole
from mmdyup.recipes.tiny import shrink_model

pytest.importorskip('mmdet')

CONFIGS = Path(__file__).parents[2] / 'configs'
PICTURE = 1, 3, 64, 96


@pytest.fixture
def built(tmp_path):
    def build(name, regions, masks=1):
        cfg = Config.fromfile(CONFIGS / f'{name}.py')
        shrink_model(cfg.model)
        cfg.model.test_cfg.rpn.max_per_img = regions
        cfg.model.test_cfg.rcnn.max_per_img = masks
        cfg.dump(tmp_path / 'config.py')
        return build_whole(tmp_path / 'config.py', 'mmdet')

    return build


def test_every_region_costs_the_same(built):
    few, many = (count(built('faster_rcnn_nearest', regions), PICTURE) for regions in (2, 5))
    # two hidden layers of 256, 80 classes and background, four coordinates a class
    region = 64 * 7 * 7 * 256 + 256 * 256 + 256 * 81 + 256 * 4 * 80
    assert many.flops - few.flops == many.products - few.products == 3 * region
    assert many.parameters == few.parameters


def test_every_mask_costs_the_same(built):
    few, many = (count(built('mask_rcnn_nearest', 1, masks), PICTURE) for masks in (1, 3))
    # four 3×3 convolutions to 64 channels, a 2×2 transposed one to 28×28, 80 classes
    mask = 14 * 14 * (4 * 9 * 64 * 64 + 4 * 64 * 64) + 28 * 28 * 64 * 80
    assert many.products - few.products == 2 * mask


def test_an_upsampler_adds_what_it_costs(built):
    nearest, dysample = (
        count(built(f'faster_rcnn_{name}', 2), PICTURE) for name in ('nearest', 'dysample')
    )
    assert dysample.parameters - nearest.parameters == 4 * (64 * 32 + 32)
    assert dysample.biases == 4 * 32 and nearest.biases == 0
    # levels of 1×2, 2×3, 4×6 and 8×12 pixels; offsets, and four multiply-adds a sample
    pixels = 1 * 2 + 2 * 3 + 4 * 6 + 8 * 12
    assert dysample.products - nearest.products == pixels * (64 * 32 + 4 * 4 * 64)


def test_the_semantic_head_takes_part(built):
    with torch.no_grad():
        *_, masks, semantic = built('panoptic_fpn_nearest', 2)(torch.zeros(PICTURE))
    assert masks.shape == (1, 80, 28, 28)
    assert semantic['seg_preds'].shape == (1, 54, 16, 24)
