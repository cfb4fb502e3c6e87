"""mmengine's registry has the blocks; PyTorch alone is enough for them."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmdyup import blocks

ROOT = Path(__file__).parents[2]

SCRIPT = """
import sys
for name in ('mmengine', 'mmcv', 'mmdet', 'mmseg', 'ultralytics'):
    sys.modules[name] = None
import torch
from mmdyup import blocks
for block in blocks.DOWNSAMPLING:
    assert block(8, 16)(torch.ones(2, 8, 4, 4)).shape == (2, 16, 2, 2)
for block in (blocks.MSCA(8), blocks.EMA(8, 4)):
    assert block(torch.ones(1, 8, 4, 4)).shape == (1, 8, 4, 4)
"""


@pytest.mark.slow
def test_pytorch_alone_is_enough():
    done = subprocess.run(
        [sys.executable, '-W', 'error::UserWarning', '-c', SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('name', blocks.__all__)
def test_a_config_finds_every_block_by_its_name(name):
    models = pytest.importorskip('mmengine.registry').MODELS
    assert models.get(name) is getattr(blocks, name)


def test_attention_is_a_plugin_of_mmdets_resnet():
    resnet = pytest.importorskip('mmdet.models.backbones').ResNet
    plugins = [
        dict(
            cfg=dict(type='EMA', groups=16),
            stages=(False, True, False, True),
            position='after_conv2',
        ),
        dict(
            cfg=dict(type='MSCA', shuffle=True),
            stages=(False, False, False, True),
            position='after_conv3',
        ),
    ]
    model = resnet(50, plugins=plugins)
    found = [m.in_channels for m in model.modules() if isinstance(m, blocks.EMA)]
    assert found == [128] * 4 + [512] * 3
    assert sum(isinstance(m, blocks.MSCA) for m in model.modules()) == 3
    with torch.no_grad():
        assert model(torch.ones(1, 3, 64, 64))[-1].shape == (1, 2048, 2, 2)
