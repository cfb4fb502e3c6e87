"""What a pair shares."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import set_random_seed

from comparing.pairing import disturb, draw_apart, first_weights, load_shared
from comparing.variants import with_upsampler
from mmdyup.upsamplers import Upsampler
from recipes.config import train_from_scratch
from recipes.tiny import shrink
from recipes.tiny_segmentation import shrink_segmentation

ROOT = Path(__file__).resolve().parents[3]


def tiny(name):
    cfg = Config.fromfile(ROOT / f'configs/{name}.py')
    train_from_scratch(cfg)
    (shrink_segmentation if cfg.default_scope == 'mmseg' else shrink)(cfg)
    init_default_scope(cfg.default_scope)
    return cfg


def build(cfg, seed=0):
    set_random_seed(seed)
    model = MODELS.build(copy.deepcopy(cfg.model))
    model.init_weights()
    return model


def own_tensors(model):
    prefixes = [name for name, part in model.named_modules() if isinstance(part, Upsampler)]
    return {key for key in model.state_dict() if key.startswith(tuple(f'{p}.' for p in prefixes))}


@pytest.mark.slow
@pytest.mark.parametrize(
    'name', ['faster_rcnn_dysample', 'semantic_fpn_r50_dysample', 'segformer_b1_dysample']
)
@pytest.mark.parametrize('upsampler', ['DySample', 'FADE'])
def test_all_but_upsamplers_starts_alike(name, upsampler, tmp_path):
    cfg = tiny(name)
    nearest = with_upsampler(cfg, dict(type='nearest'))
    nearest.dump(str(tmp_path / 'start.py'))
    start = first_weights(str(tmp_path / 'start.py'), 3)
    model = build(with_upsampler(cfg, dict(type=upsampler)), 3)
    own = own_tensors(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    differs = [key for key in start if not torch.equal(before[key], start[key])]
    assert len(differs) > 10, 'the same seed alone does not pair them'

    load_shared(model, start)
    after = model.state_dict()
    assert own and after.keys() - start.keys() == own
    assert all(torch.equal(after[key], start[key]) for key in start)
    assert all(torch.equal(after[key], before[key]) for key in own)


def test_models_that_share_no_start():
    start = torch.nn.Linear(2, 2).state_dict()
    with pytest.raises(ValueError, match='differ in 1 tensors beside .* bias'):
        load_shared(torch.nn.Linear(2, 2, bias=False), start)


def test_a_disturbance_is_a_millionth():
    layer = torch.nn.Linear(64, 64)
    layer.bias.requires_grad_(False)
    before = copy.deepcopy(layer.state_dict())
    disturb(layer, 0)
    change = layer.weight / before['weight'] - 1
    assert 5e-7 < change.std() < 2e-6 and torch.equal(layer.bias, before['bias'])


def test_what_an_upsampler_draws_reaches_nothing_else():
    class Drawing(Upsampler):
        def forward(self, x, guide=None):
            return x + torch.rand(3)

    upsampler = Drawing(3, 2)
    torch.manual_seed(5)
    expected = torch.rand(2)
    draw_apart(upsampler)
    torch.manual_seed(5)
    drawn = upsampler(torch.zeros(3))
    assert torch.equal(torch.rand(2), expected) and drawn.std() > 0
