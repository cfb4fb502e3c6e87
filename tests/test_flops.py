"""mmengine's counter of multiply-adds, and mmdet's script on top of it, see what ours do.

The counter knows convolutions, matrix products and bilinear samples (four multiply-adds a value).
It leaves out biases and whatever is elementwise, softmax and sigmoid among it; it takes five a
value for a group norm, and one for a value repeated by nearest upsampling.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config

from mmdyup import build_upsampler
from mmdyup.benchmark import flops
from mmdyup.recipes.folder import use_folder
from mmdyup.recipes.scratch import train_from_scratch
from mmdyup.recipes.tiny import shrink

ROOT = Path(__file__).parents[1]
C, H, W = 256, 3, 5

pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')


def counted(model, *inputs):
    return get_model_complexity_info(
        model.eval(), inputs=inputs, show_table=False, show_arch=False
    )['flops']


def none(s):
    return 0


UPSAMPLERS = {
    'dysample': (dict(type='DySample'), flops.dysample, none),
    'dysample_plus': (dict(type='DySample', dyscope=True), flops.dysample, none),
    'dysample_s': (dict(type='DySample', style='pl', groups=8), flops.dysample, none),
    'dysample_s_plus': (
        dict(type='DySample', style='pl', groups=8, dyscope=True),
        flops.dysample,
        none,
    ),
    'dlu': (dict(type='DLU'), flops.dlu, none),
    'carafe': (dict(type='CARAFE'), flops.carafe, none),
    'fade': (dict(type='FADE'), flops.fade, lambda s: -2 * C * s**2),  # the blend
    'sapa': (dict(type='SAPA'), flops.sapa, lambda s: 5 * C * (s**2 + 1)),  # two norms
    'bilinear': (dict(type='bilinear'), flops.bilinear, none),
    'deconv': (dict(type='deconv'), flops.deconv, none),
    'pixel_shuffle': (dict(type='pixel_shuffle'), flops.pixel_shuffle, none),
}


@pytest.mark.parametrize('s', [2, 4])
@pytest.mark.parametrize('cfg, closed_form, otherwise', UPSAMPLERS.values(), ids=UPSAMPLERS)
def test_upsamplers(cfg, closed_form, otherwise, s):
    upsampler = build_upsampler(cfg, C, s)
    maps = [torch.randn(1, C, H, W)]
    if upsampler.guided:
        maps.append(torch.randn(1, C, s * H, s * W))
    own = {key: value for key, value in cfg.items() if key != 'type'}
    expected = closed_form(C, s, **own) // 2 + otherwise(s)
    assert counted(upsampler, *maps) == H * W * expected


def test_groups_share_kernels_not_products():
    x = torch.randn(2, 16, H, W)
    upsampler = build_upsampler(dict(type='CARAFE', up_group=4, compressed_channels=8), 16)
    expected = 16 * 8 + 8 * 4 * 100 * 9 + flops.reassembly(16, 2) // 2
    assert counted(upsampler, x) == 2 * H * W * expected


def test_a_whole_neck():
    pytest.importorskip('mmdet')
    from mmdyup.det import DyFPN

    channels, sizes = [16, 32, 64], ((8, 12), (4, 6), (2, 3))
    neck = DyFPN(channels, 32, 4, upsample_cfg=dict(type='DLU'))
    features = [torch.randn(1, c, *size) for c, size in zip(channels, sizes, strict=True)]
    expected = sum(
        h * w * (c * 32 + 9 * 32 * 32) for c, (h, w) in zip(channels, sizes, strict=True)
    )
    expected += (4 * 6 + 2 * 3) * flops.dlu(32, 2) // 2
    assert counted(neck, features) == expected


def get_flops(name, shapes, folder):
    """What mmdet's script prints for a detector on Shapes: multiply-adds, and its input's size."""
    spec = importlib.util.find_spec('mmdet')
    script = Path(spec.origin).parent / '.mim/tools/analysis_tools/get_flops.py'
    if not script.is_file():
        pytest.skip('this mmdet was installed without its tools')
    cfg = Config.fromfile(ROOT / f'configs/faster_rcnn_{name}.py')
    use_folder(cfg, shapes)
    train_from_scratch(cfg)
    shrink(cfg)
    cfg.val_dataloader.num_workers = 0
    cfg.val_dataloader.persistent_workers = False
    # so few that they are found whatever the weights
    cfg.model.test_cfg.rpn.max_per_img = 5
    cfg.dump(folder / f'{name}.py')
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    done = subprocess.run(
        [sys.executable, script, folder / f'{name}.py', '--num-images', '1'],
        capture_output=True,
        text=True,
        env=os.environ | {'PYTHONPATH': path},
    )
    assert done.returncode == 0, done.stderr
    height, width = map(int, re.search(r'Input shape: \((\d+), (\d+)\)', done.stdout).groups())
    giga = float(re.search(r'Flops: ([\d.]+)G', done.stdout)[1])
    return giga, cfg.model.neck.out_channels, height, width


def test_mmdets_own_script(shapes, tmp_path):
    pytest.importorskip('mmdet')
    giga, c, height, width = get_flops('dlu', shapes, tmp_path)
    # the coarse levels of four upsamplers
    cells = sum((height // stride) * (width // stride) for stride in (8, 16, 32, 64))
    expected = cells * (flops.dlu(c, 2) // 2 - 4 * c)
    nearest, *_ = get_flops('nearest', shapes, tmp_path)
    assert giga - nearest == pytest.approx(expected / 1e9, abs=1.1e-3)
    assert expected > 10e6
