"""``--lite0``: a pretrained backbone that comes as a package."""

import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from recipes import lite0
from recipes.cli import load_config, make_parser
from recipes.lite0 import CHANNELS, PACKAGES, read_weights, use_lite0

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')
ROOT = Path(__file__).resolve().parents[3]
needs_packages = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, PACKAGES)), reason=f'needs {", ".join(PACKAGES)}'
)


@needs_packages
@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        'faster_rcnn_dysample',
        'panoptic_fpn_carafe',
        'semantic_fpn_r50_carafe',
        'segformer_b1_fade',
        'upernet_r50_dysample',
    ],
)
def test_a_model_on_it(name, tmp_path):
    path = ROOT / f'configs/{name}.py'
    cfg = load_config(make_parser('').parse_args([str(path), '--lite0']))
    init_default_scope(cfg.default_scope)
    # what training saves is enough to build it again
    cfg.dump(str(tmp_path / 'saved.py'))
    model = MODELS.build(Config.fromfile(tmp_path / 'saved.py').model)
    model.init_weights()
    model.train()
    weights = read_weights()
    assert torch.equal(model.backbone.net.conv_stem.weight, weights['conv_stem.weight'])
    running = 'blocks.2.0.bn2.running_mean'
    assert torch.equal(model.backbone.net.state_dict()[running], weights[running])
    assert not any(module.training for module in model.backbone.modules())
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())
    others = [part for part_name, part in model.named_children() if part_name != 'backbone']
    learned = [module for part in others for module in part.modules()]
    assert any(isinstance(module, torch.nn.GroupNorm) for module in learned)
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in learned)
    levels = model.backbone(torch.zeros(1, 3, 64, 96))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(CHANNELS, (4, 8, 16, 32), strict=True)
    ]
    assert len(model.extract_feat(torch.zeros(1, 3, 64, 64))) >= 4
    assert model.data_preprocessor.mean.flatten().tolist() == [127.0] * 3


@needs_packages
def test_it_reads_four_levels():
    cfg = Config.fromfile(ROOT / 'configs/yolox_s_dysample.py')
    with pytest.raises(ValueError, match='four levels'):
        use_lite0(cfg)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(lite0, 'PACKAGES', {'no_such_module': 'no-such-package'})
    with pytest.raises(ValueError, match='pip install no-such-package'):
        use_lite0(Config.fromfile(ROOT / 'configs/faster_rcnn_dysample.py'))
