"""FLOPs: the benchmark's closed forms, the papers' numbers, and what counters see of ours.

PyTorch's counter is asked for convolutions alone. mmengine's, with mmdet's script on top of it,
counts multiply-adds: it knows convolutions, matrix products and bilinear samples (four
multiply-adds a value). It leaves out biases and whatever is elementwise, softmax and sigmoid among
it; it takes five a value for a group norm, and one for a value repeated by nearest upsampling.
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
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import flops
from benchmarks.case import Case
from benchmarks.rows import build
from mmdyup import build_upsampler, list_upsamplers
from recipes.config import train_from_scratch
from recipes.folder import use_folder
from recipes.tiny import shrink

ROOT = Path(__file__).parents[1]
C, H, W = 256, 3, 5

pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')

# per low-resolution pixel at C = 256, as the CARAFE and DLU papers count
PAPERS = [
    (2, 199_168, 122_784),
    (4, 698_368, 306_432),
    (8, 2_695_168, 1_041_024),
    (16, 10_682_368, 3_979_392),
]


@pytest.mark.parametrize('s, carafe, dlu', PAPERS)
def test_the_papers_numbers(s, carafe, dlu):
    assert flops.carafe(256, s) == carafe
    assert flops.dlu(256, s) == dlu


# multiply-adds that six 2× upsamplers of 256 channels add to SegFormer-B1 at 512×512, in units of
# 10⁹, as the authors of FADE, SAPA and DySample print them
SEGFORMER_CELLS = 16**2 + 2 * 32**2 + 3 * 64**2


@pytest.mark.parametrize(
    'count, printed',
    [
        (flops.carafe, '1.45'),
        (flops.fade, '2.65'),
        (flops.sapa, '1.02'),
        (flops.sapa_i, '0.75'),
        (flops.pixel_shuffle, '34.43'),
        (flops.indexnet, '30.65'),
        (flops.a2u, '0.41'),
    ],
)
def test_the_numbers_of_segformer(count, printed):
    assert f'{count(256, 2) / 2 * SEGFORMER_CELLS / 1e9:.2f}' == printed


@pytest.mark.parametrize('k, s', [(3, 2), (7, 4)])
def test_reassembly_of_other_kernels(k, s):
    assert flops.reassembly(8, s, k) == 2 * 8 * k * k * s * s


def test_a_row_counts_all_pixels_of_the_batch():
    assert build('carafe', Case(256, 3, 5, batch=2)).flops == 2 * 3 * 5 * 199_168


# what the convolutions of a row leave at 32 channels and 2×, counted by hand
SAMPLES, REASSEMBLY, BLEND = 32 * 4 * 8, 32 * 25 * 4 * 2, 32 * 4 * 4
REST = {
    'nearest': 0,
    'bilinear': SAMPLES,
    'deconv': 0,
    'pixel_shuffle': 0,
    'dysample': SAMPLES,
    'dysample_plus': SAMPLES,
    'dysample_s': SAMPLES,
    'dysample_s_plus': SAMPLES,
    'dysample_grid_sample': SAMPLES,
    'point_sample': SAMPLES,
    'carafe': REASSEMBLY,
    'reassembly': REASSEMBLY,
    'reassembly_unfold': REASSEMBLY,
    'dlu': REASSEMBLY + 25 * 4 * 8,
    'fade': REASSEMBLY + BLEND,
    'fade_no_gate': REASSEMBLY,
    'fade_lite': REASSEMBLY + BLEND,
    'sapa': REASSEMBLY + REASSEMBLY,
    # 4 · 32 channels of keys at 9 points: 4 multiply-adds a sample, 1 its product
    'sapa_d': (4 * 32 + 32) * 9 * 4 * 10,
    'sapa_g': REASSEMBLY + REASSEMBLY + BLEND,
    'sapa_i': REASSEMBLY + REASSEMBLY,
    'frfu': SAMPLES + 32 * 9 * 4 * 2,
    # queries of 8 channels, interpolated
    'lda_aqu': 8 * 4 * 8 + (8 + 32) * 9 * 4 * 10,
    'attend': (4 * 32 + 32) * 9 * 4 * 10,
    'attend_grid_sample': (4 * 32 + 32) * 9 * 4 * 10,
    # of 8 channels: reassembled at the fine size and from the coarse one, 25 similarities
    'freqfusion': (2 * 9 * 8 * 4 + 2 * 25 * 25 * 4 + REASSEMBLY + (4 + 1) * 2 * 25 * 8 + SAMPLES),
    'indexnet': 2 * 32 * 4,
}


# those of 1×1 are products of matrices on a CPU
PRODUCTS = ('mm', 'addmm', 'bmm', 'baddbmm')
CONVOLUTIONS = [getattr(torch.ops.aten, name) for name in ('convolution', *PRODUCTS)]


@pytest.mark.parametrize('name, rest', REST.items(), ids=REST)
def test_convolutions_as_pytorch_counts_them(name, rest):
    case = Case(32, 6, 5)
    subject = build(name, case)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        subject.run(case.feature(), *subject.extras())
    found = counter.get_flop_counts().get('Global', {})
    convolutions = sum(found.get(op, 0) for op in CONVOLUTIONS)
    assert subject.flops == convolutions + rest * 6 * 5


@pytest.mark.parametrize('name', ['deconv', 'pixel_shuffle'])
def test_an_upsampler_without_a_closed_form_is_counted(name, monkeypatch):
    case = Case(32, 6, 5, batch=2)
    expected = build(name, case).flops
    monkeypatch.delitem(flops.FORMULAS, name)
    assert build(name, case).flops == expected > 0


def counted(model, *inputs):
    return get_model_complexity_info(
        model.eval(), inputs=inputs, show_table=False, show_arch=False
    )['flops']


UPSAMPLERS = {
    name: cfg
    for name, cfg in (
        ('bilinear', dict(type='bilinear')),
        ('deconv', dict(type='deconv')),
        ('pixel_shuffle', dict(type='pixel_shuffle')),
        *list_upsamplers().items(),
    )
    if cfg['type'] in flops.FORMULAS
}


def counted_otherwise(s, type, gate=True, **own):
    """What mmengine counts a low-resolution pixel beyond the closed form.

    That is norms and pooling, but neither the blend nor the products with what is sampled or of
    two maps.
    """
    norms = 5 * C * (s**2 + 1)
    if type in ('SAPA', 'SAPAI'):
        return norms
    if type == 'SAPAG':
        return norms - flops.blend(32, s) // 2
    if type == 'SAPAD':
        return -9 * (4 * 32 + C) * s**2
    if type == 'LDAAQU':
        return 5 * (C + C // 4 * s**2) - 9 * (C // 4 + C) * s**2
    if type == 'FreqFusion':
        return norms // 4
    if type == 'IndexNet':
        return 2 * 2 * C
    if type == 'A2U':
        return 3 * C * s**2 + 2 * 5 * C - C
    return -flops.blend(C, s) // 2 if type == 'FADE' and gate else 0


def once_for_a_picture(s, type, **own):
    """A2U's convolutions of what was pooled: to weights of taps and places, and to windows."""
    return C * (9 * s**2 + 2 * 9 * s**2) if type == 'A2U' else 0


@pytest.mark.slow
@pytest.mark.parametrize('s', [2, 4])
@pytest.mark.parametrize('name', UPSAMPLERS)
def test_upsamplers(name, s):
    cfg = UPSAMPLERS[name]
    upsampler = build_upsampler(cfg, C, s)
    maps = [torch.randn(1, C, H, W)]
    if upsampler.guided:
        maps.append(torch.randn(1, C, s * H, s * W))
    own = {key: value for key, value in cfg.items() if key != 'type'}
    expected = flops.FORMULAS[cfg['type']](C, s, **own) // 2 + counted_otherwise(s, **cfg)
    assert counted(upsampler, *maps) == H * W * expected + once_for_a_picture(s, **cfg)


def test_groups_share_kernels_not_products():
    x = torch.randn(2, 16, H, W)
    upsampler = build_upsampler(dict(type='CARAFE', up_group=4, compressed_channels=8), 16)
    expected = 16 * 8 + 8 * 4 * 100 * 9 + flops.reassembly(16, 2) // 2
    assert counted(upsampler, x) == 2 * H * W * expected


@pytest.mark.slow
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


@pytest.mark.slow
def test_mmdets_own_script(shapes, tmp_path):
    pytest.importorskip('mmdet')
    giga, c, height, width = get_flops('dlu', shapes, tmp_path)
    # the coarse levels of four upsamplers
    cells = sum((height // stride) * (width // stride) for stride in (8, 16, 32, 64))
    expected = cells * (flops.dlu(c, 2) // 2 - 4 * c)
    nearest, *_ = get_flops('nearest', shapes, tmp_path)
    assert giga - nearest == pytest.approx(expected / 1e9, abs=1.1e-3)
    assert expected > 10e6
