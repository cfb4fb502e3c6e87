"""What holds for every upsampler alike."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import build_upsample_layer
from mmengine.model import BaseModule, ModuleList
from torch import Tensor

from mmdyup import build_upsampler

OURS = {
    'dysample': dict(type='DySample'),
    'dysample_plus': dict(type='DySample', dyscope=True),
    'dysample_s': dict(type='DySample', style='pl', groups=8),
    'dysample_s_plus': dict(type='DySample', style='pl', groups=8, dyscope=True),
    'dysample_options': dict(
        type='DySample', learnable_scope=True, content_encoder=True, gate=True
    ),
    'dlu': dict(type='DLU', compressed_channels=8),
    'dlu_groups': dict(type='DLU', compressed_channels=8, up_group=2, up_kernel=3),
    'carafe': dict(type='CARAFE', compressed_channels=8),
    'carafe_groups': dict(type='CARAFE', compressed_channels=8, up_group=2, up_kernel=3),
    'fade': dict(type='FADE', compressed_channels=8),
    'fade_no_gate': dict(
        type='FADE', compressed_channels=8, gate=False, guide_channels=6, up_kernel=3
    ),
    'fade_lite': dict(type='FADE', lite=True, up_kernel=3),
    'sapa': dict(type='SAPA', embed_channels=8),
    'sapa_guide': dict(type='SAPA', embed_channels=8, guide_channels=64, up_kernel=3),
}
GUIDED = {name: OURS[name] for name in OURS if OURS[name]['type'] in ('FADE', 'SAPA')}
PLAIN = {name: dict(type=name) for name in ('nearest', 'bilinear', 'deconv', 'pixel_shuffle')}
CHANNELS = 32


def every(cfgs):
    return pytest.mark.parametrize('cfg', cfgs.values(), ids=cfgs.keys())


def stirred(cfg, scale_factor=2):
    """Built, with weights away from the start, where offsets and kernels are nearly constant."""
    upsampler = build_upsampler(cfg, CHANNELS, scale_factor)
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return upsampler


def inputs(upsampler, n, h, w, **options):
    """A feature, and a guide where the upsampler wants one, else None."""
    x = torch.randn(n, CHANNELS, h, w, **options)
    if not upsampler.guided:
        return x, None
    s = upsampler.scale_factor
    return x, torch.randn(n, upsampler.guide_channels, s * h, s * w, **options)


def each(convert, *tensors):
    return [None if tensor is None else convert(tensor) for tensor in tensors]


@every(OURS | PLAIN)
@pytest.mark.parametrize('scale_factor', [1, 2, 4])
@pytest.mark.parametrize('size', [(2, 5, 7), (1, 1, 1), (0, 3, 3)])
def test_shape_and_gradient(cfg, scale_factor, size, device):
    upsampler = build_upsampler(cfg, CHANNELS, scale_factor).to(device)
    if cfg['type'] == 'pixel_shuffle' and size[0] == 0:
        pytest.skip("PyTorch's pixel shuffle has no gradient for an empty batch")
    if cfg.get('style') == 'pl' and scale_factor == 4:
        cfg = cfg | dict(groups=2)
        upsampler = build_upsampler(cfg, CHANNELS, scale_factor).to(device)
    n, h, w = size
    x, guide = inputs(upsampler, *size, device=device, requires_grad=True)
    y = upsampler(x, guide)
    assert y.shape == (n, CHANNELS, scale_factor * h, scale_factor * w)
    y.square().sum().backward()
    assert x.grad.isfinite().all()
    assert guide is None or guide.grad.isfinite().all()
    for name, parameter in upsampler.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@every(OURS)
def test_memory_format_is_the_callers(cfg):
    upsampler = stirred(cfg)
    x, guide = inputs(upsampler, 2, 5, 6)
    last = each(lambda z: z.to(memory_format=torch.channels_last), x, guide)
    for mixed in [(x, guide), (x, last[1]), (last[0], guide), last]:
        y = upsampler(*mixed)
        assert y.is_contiguous(memory_format=torch.channels_last) == (mixed[0] is last[0])
        torch.testing.assert_close(y, upsampler(x, guide), rtol=1e-4, atol=1e-5)


@every(OURS)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_the_float32_result_rounded(cfg, dtype):
    upsampler = build_upsampler(cfg, CHANNELS).to(dtype)
    maps = each(lambda z: z.to(dtype), *inputs(upsampler, 1, 3, 40))
    expected = copy.deepcopy(upsampler).float()(*each(Tensor.float, *maps))
    y = upsampler(*maps)
    assert y.dtype == dtype
    torch.testing.assert_close(
        y.float(), expected, rtol=8 * torch.finfo(dtype).eps, atol=8 * torch.finfo(dtype).eps
    )


@every(OURS | {name: PLAIN[name] for name in ('deconv', 'pixel_shuffle')})
def test_autocast_reaches_every_parameter(cfg, device):
    upsampler = stirred(cfg).to(device)
    maps = inputs(upsampler, 1, 4, 6, device=device)
    with torch.autocast(device, torch.bfloat16):
        y = upsampler(*maps)
        y.float().square().sum().backward()
    assert y.shape == (1, CHANNELS, 8, 12)
    for name, parameter in upsampler.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize('width', [128, 1024, 4096])
def test_autocast_keeps_positions(width):
    upsampler = build_upsampler(dict(type='DySample'), 8)
    torch.nn.init.zeros_(upsampler.offset.weight)
    x = torch.randn(1, 8, 2, width, dtype=torch.bfloat16)
    with torch.autocast('cpu', torch.bfloat16):
        y = upsampler(x)
    expected = F.interpolate(x.double(), scale_factor=2, mode='bilinear', align_corners=False)
    torch.testing.assert_close(y.double(), expected, rtol=2**-8, atol=2e-3)


@every(OURS)
def test_compiles_into_one_graph(cfg):
    upsampler = stirred(cfg)
    maps = inputs(upsampler, 2, 5, 4)
    compiled = torch.compile(upsampler, fullgraph=True, backend='aot_eager')
    torch.testing.assert_close(compiled(*maps), upsampler(*maps), rtol=1e-4, atol=1e-5)


@every(OURS)
def test_exports_for_any_size(cfg):
    upsampler = stirred(cfg).eval()
    dim = torch.export.Dim.AUTO
    sizes = {0: dim, 2: dim, 3: dim}
    program = torch.export.export(
        upsampler,
        inputs(upsampler, 2, 5, 6),
        dynamic_shapes=dict(x=sizes, guide=sizes if upsampler.guided else None),
    )
    maps = inputs(upsampler, 3, 7, 4)
    torch.testing.assert_close(program.module()(*maps), upsampler(*maps), rtol=1e-4, atol=1e-5)


@every(OURS)
def test_is_an_mmcv_upsample_layer(cfg):
    layer = build_upsample_layer(dict(cfg, in_channels=CHANNELS, scale_factor=2))
    assert layer(*inputs(layer, 1, 2, 3)).shape == (1, CHANNELS, 4, 6)


@every(GUIDED)
def test_a_guide_that_does_not_fit(cfg):
    upsampler = build_upsampler(cfg, CHANNELS)
    x, guide = inputs(upsampler, 2, 3, 4)
    with pytest.raises(ValueError, match=f'{cfg["type"]} needs the finer feature as its guide'):
        upsampler(x)
    for wrong in [guide[..., :7], guide[:1], guide[:, 1:]]:
        with pytest.raises(
            ValueError,
            match=rf'guide must have the shape \(2, {guide.shape[1]}, '
            r'6, 8\) \(the finer feature, 2 times the size of x',
        ):
            upsampler(x, wrong)


@every(GUIDED)
def test_the_finer_level_may_have_other_channels(cfg):
    cfg = {key: value for key, value in cfg.items() if key != 'guide_channels'}
    if cfg['type'] == 'FADE':
        cfg['gate'] = False
    assert build_upsampler(cfg, CHANNELS, guide_channels=64).guide_channels == 64
    assert build_upsampler(cfg, CHANNELS).guide_channels == CHANNELS


class Parent(BaseModule):
    def __init__(self, cfg):
        super().__init__(init_cfg=dict(type='Normal', layer='Conv2d', std=1, bias=1))
        self.upsamplers = ModuleList([build_upsampler(cfg, 256)])


START = {
    'offset.weight': 0.001,
    'scope.weight': 0.0,
    'content_encoder.weight': 0.001,
    'kernel_space_generator.weight': 0.001,
    'conv_offset.weight': 0.0,
    'q.weight': 0.02,
    'k.weight': 0.02,
    'ker_generator.compressor_de.weight': (2 / (256 + 64)) ** 0.5,
    'ker_generator.content_encoder.weight': (2 / (9 * (64 + 25))) ** 0.5,
}


@every(
    {
        name: OURS[name]
        for name in OURS
        if name not in ('dysample_options', 'dlu_groups', 'fade_no_gate', 'fade_lite')
    }
)
def test_the_start_survives_a_parents_init(cfg):
    parent = Parent({key: value for key, value in cfg.items() if key != 'compressed_channels'})
    parent.init_weights()
    own = dict(parent.upsamplers[0].named_parameters())
    checked = [name for name in START if name in own]
    assert checked
    for name in checked:
        torch.testing.assert_close(own[name].std().item(), START[name], rtol=0.1, atol=1e-9)
        bias = own.get(name.replace('weight', 'bias'))
        assert bias is None or not bias.any()


@pytest.mark.parametrize(
    'cfg, kind, match',
    [
        ('DySample', TypeError, r"must be a dict such as dict\(type='DySample'\)"),
        (dict(), ValueError, "needs a 'type', one of CARAFE, DLU, DySample, FADE, SAPA, nearest"),
        (dict(type='dysample'), ValueError, "no upsampler 'dysample'.*DySample"),
        (dict(type='ReLU'), ValueError, "no upsampler 'ReLU'"),
        (dict(type='DySample', colour=1), ValueError, "does not fit its type.*'colour'"),
        (dict(type='nearest', colour=1), ValueError, "does not fit its type.*'colour'"),
        (dict(type='DySample', groups=5), ValueError, 'groups=5 must divide the 32 channels'),
        (dict(type='DySample', style='lq'), ValueError, "style must be 'lp' or 'pl'"),
        (dict(type='DySample', dyscope=True, learnable_scope=True), ValueError, 'choose one'),
        (dict(type='CARAFE', up_kernel=4), ValueError, 'up_kernel must be odd'),
        (dict(type='DLU', encoder_kernel=2), ValueError, 'encoder_kernel must be odd'),
        (dict(type='DLU', up_group=3), ValueError, 'up_group=3 must divide'),
        (dict(type='FADE', guide_channels=64), ValueError, 'guide of 64 .* of 32 .*set gate=False'),
        (
            dict(type='FADE', compressed_channels=0),
            ValueError,
            'compressed_channels must be at least',
        ),
        (dict(type='FADE', up_group=2), ValueError, "does not fit its type.*'up_group'"),
        (
            dict(type='SAPA', guide_channels=40),
            ValueError,
            'guide_channels must be a multiple of 32',
        ),
        (dict(type='SAPA', up_kernel=4), ValueError, 'up_kernel must be odd'),
    ],
)
def test_errors_say_what_to_do(cfg, kind, match):
    with pytest.raises(kind, match=match):
        build_upsampler(cfg, CHANNELS)


def test_ratio_must_be_a_positive_integer():
    with pytest.raises(ValueError, match='scale_factor must be at least 1'):
        build_upsampler(dict(type='DySample'), CHANNELS, 0)
    with pytest.raises(ValueError, match='scale_factor must be an integer'):
        build_upsampler(dict(type='DySample'), CHANNELS, 1.5)
