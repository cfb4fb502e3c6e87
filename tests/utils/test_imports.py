"""What works where a framework is missing."""

import importlib.util
import subprocess
import sys

import pytest

_HIDE = """
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {hidden!r} else super().find_spec(name, path, target)

sys.meta_path = [Hiding if finder is PathFinder else finder for finder in sys.meta_path]
import torch, mmdyup
"""

_UPSAMPLER = """
from mmcv.cnn import build_upsample_layer
layer = build_upsample_layer(dict(type='DySample', in_channels=8))
print(tuple(layer(torch.zeros(1, 8, 2, 2)).shape))
"""

_NECK = """
from mmdet.registry import MODELS
neck = MODELS.build(dict(type='DyFPN', in_channels=[8, 8], out_channels=8, num_outs=2,
                         upsample_cfg=dict(type='DySample')))
print([tuple(out.shape) for out in neck([torch.zeros(1, 8, n, n) for n in (4, 2)])])
"""

_SEGFORMER = """
from mmseg.registry import MODELS
model = MODELS.build(dict(
    type='EncoderDecoder',
    backbone=dict(type='MixVisionTransformer', embed_dims=8, num_heads=[1, 2, 3, 4],
                  num_layers=[1] * 4),
    decode_head=dict(type='DySegformerHead', in_channels=[8, 16, 24, 32], in_index=[0, 1, 2, 3],
                     channels=16, num_classes=3, upsample_cfg=dict(type='DySample'))))
print(tuple(model(torch.zeros(1, 3, 64, 72)).shape))
"""


@pytest.mark.parametrize(
    'hidden, needed, code, printed',
    [
        (('mmdet', 'mmseg'), None, _UPSAMPLER, '(1, 8, 4, 4)'),
        (('mmseg',), 'mmdet', _NECK, '[(1, 8, 4, 4), (1, 8, 2, 2)]'),
        (('mmdet',), 'mmseg', _SEGFORMER, '(1, 3, 16, 18)'),
    ],
)
def test_what_is_there_works_without_the_rest(hidden, needed, code, printed):
    if needed and not importlib.util.find_spec(needed):
        pytest.skip(f'needs {needed}')
    seen = f'print([name for name in {hidden!r} if name in sys.modules])'
    run = subprocess.run(
        [sys.executable, '-c', _HIDE.format(hidden=hidden) + code + seen],
        capture_output=True,
        text=True,
    )
    assert run.stdout == f'{printed}\n[]\n', run.stderr
