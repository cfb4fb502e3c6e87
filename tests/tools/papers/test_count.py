"""Parameters and FLOPs: of small models, and of two-stage detectors in miniature."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmdyup.upsamplers import build_upsampler
from papers.count import Count, build_whole, count
from papers.published import load_table
from papers.reproduce import Reproduction
from recipes.config import train_from_scratch
from recipes.tiny import shrink_model
from recipes.tiny_segmentation import shrink_segmentor

CONFIGS = Path(__file__).parents[3] / 'configs'
PICTURE = 1, 3, 64, 96


@pytest.fixture
def built(tmp_path):
    pytest.importorskip('mmdet')

    def build(name, regions, masks=1):
        cfg = Config.fromfile(CONFIGS / f'{name}.py')
        shrink_model(cfg.model)
        cfg.model.test_cfg.rpn.max_per_img = regions
        cfg.model.test_cfg.rcnn.max_per_img = masks
        cfg.dump(tmp_path / 'config.py')
        return build_whole(tmp_path / 'config.py', 'mmdet')

    return build


@pytest.mark.slow
def test_every_region_costs_the_same(built):
    few, many = (count(built('faster_rcnn_nearest', regions), PICTURE) for regions in (2, 5))
    # two hidden layers of 256, 80 classes and background, four coordinates a class
    region = 64 * 7 * 7 * 256 + 256 * 256 + 256 * 81 + 256 * 4 * 80
    assert many.flops - few.flops == many.products - few.products == 3 * region
    assert many.parameters == few.parameters


@pytest.mark.slow
def test_every_mask_costs_the_same(built):
    few, many = (count(built('mask_rcnn_nearest', 1, masks), PICTURE) for masks in (1, 3))
    # four 3×3 convolutions to 64 channels, a 2×2 transposed one to 28×28, 80 classes
    mask = 14 * 14 * (4 * 9 * 64 * 64 + 4 * 64 * 64) + 28 * 28 * 64 * 80
    assert many.products - few.products == 2 * mask


@pytest.mark.slow
def test_masks_are_counted_up_to_the_scores_of_pixels(tmp_path):
    pytest.importorskip('mmdet')
    pytest.importorskip('mmseg')
    cfg = Config.fromfile(CONFIGS / 'maskformer_swin_b_nearest.py')
    train_from_scratch(cfg)
    shrink_segmentor(cfg.model)
    counts = []
    for layers in (1, 2):
        cfg.model.decode_head.transformer_decoder.num_layers = layers
        cfg.dump(tmp_path / f'{layers}.py')
        model = build_whole(tmp_path / f'{layers}.py', 'mmseg')
        assert model(torch.zeros(PICTURE)).shape == (1, 150, 64, 96)
        counts.append(count(model, PICTURE).products)
    # a layer projects queries and places for two attentions, attends, has a network of 512
    # channels, and predicts classes and masks of 16×24 pixels; norms and biases aside
    queries, places, c = cfg.model.decode_head.num_queries, 2 * 3, 64
    layer = queries * (6 * c * c + 2 * c * 512) + 2 * places * c * c
    layer += 2 * queries * (queries + places) * c
    heads = queries * (c * 151 + 3 * c * c + c * 16 * 24)
    assert counts[1] - counts[0] == pytest.approx(layer + heads, rel=0.1)


@pytest.mark.slow
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


class Model(nn.Module):
    """A frozen convolution, a norm, two upsamplers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1).requires_grad_(False)
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.Sequential(
            build_upsampler(dict(type='deconv'), 8), build_upsampler(dict(type='nearest'), 8)
        )

    def forward(self, x):
        return self.up(self.norm(self.stem(x)))


def test_by_every_convention():
    found = count(Model().eval(), (1, 3, 4, 5), scale=10)
    pixels = 4 * 5
    products = pixels * (3 * 8 + 9 * 8 * 8)
    # the norm two an element, nearest upsampling one an element of its result
    minor = pixels * 8 * (2 + 16)
    assert found == Count(32 + 16 + 584, 16 + 584, 8, 10 * (products + minor), 10 * products)
    assert found.by_parameters() == {
        'all': 632,
        'trainable': 600,
        'all, no biases': 624,
        'trainable, no biases': 592,
    }
    assert found.by_flops() == {'all': 10 * (products + minor), 'products': 10 * products}


@pytest.mark.parametrize('name', ['carafe_2x', 'dlu_2x', 'dlu_4x', 'dlu_16x'])
def test_one_operator_comes_out_as_printed(name, tmp_path):
    table = load_table('one_operator')
    (result,) = Reproduction(tmp_path, tmp_path).run(table, [table.row(name)], lambda doing: None)
    for kind in ('params', 'flops'):
        verdict = result.verdicts[kind]
        assert (verdict.status, verdict.convention, verdict.how) == ('agrees', 'all', 'rounded')
