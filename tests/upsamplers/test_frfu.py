import pytest
import torch
import torch.nn.functional as F

from mmdyup import FRFU, build_upsampler
from mmdyup.testing import HALVES


def stirred(*args, **options):
    upsampler = FRFU(*args, **options).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return upsampler


def test_parameters():
    assert sum(p.numel() for p in FRFU(256).parameters()) == 21_074


@pytest.mark.parametrize('groups, s', [(1, 1), (2, 2), (4, 3)])
def test_the_formula(groups, s):
    c, h, w = 8, 3, 4
    upsampler = stirred(c, s, groups)
    x = torch.randn(1, c, h, w, dtype=torch.float64)
    conv = {name: getattr(upsampler, name) for name, _ in upsampler.named_children()}
    o = (conv['offset'](x) * conv['offset_mask'](x).sigmoid())[0]
    samples = torch.zeros(c, s * h, s * w, dtype=torch.float64)
    for channel in range(c):
        group = channel * groups // c
        for u in range(s * h):
            for v in range(s * w):
                first = ((group * s + u % s) * s + v % s) * 2
                # a position of the result, moved by its offset, in pixels of x
                o_x, o_y = o[first : first + 2, u // s, v // s]
                column = ((v + 0.5 + o_x) / s - 0.5).clamp(0, w - 1).item()
                row = ((u + 0.5 + o_y) / s - 0.5).clamp(0, h - 1).item()
                for r in range(h):
                    for q in range(w):
                        weight = max(0, 1 - abs(row - r)) * max(0, 1 - abs(column - q))
                        samples[channel, u, v] += weight * x[0, channel, r, q]
    z = samples[None]
    kernels = (conv['sample_kernel'](z) * conv['kernel_mask'](z).sigmoid()).softmax(1)
    padded = F.pad(z, (1, 1, 1, 1))
    y = sum(
        kernels[:, a * 3 + b] * padded[:, :, a : a + s * h, b : b + s * w]
        for a in range(3)
        for b in range(3)
    )
    torch.testing.assert_close(upsampler(x), y)


def test_the_start_is_bilinear_then_a_box_blur():
    x = torch.randn(2, 8, 5, 6)
    bilinear = F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)
    expected = F.avg_pool2d(bilinear, 3, 1, 1, count_include_pad=True)
    torch.testing.assert_close(FRFU(8)(x), expected)


@pytest.mark.parametrize('dtype', HALVES)
def test_half_precision_keeps_positions(dtype):
    upsampler = FRFU(4).to(dtype)
    x = torch.randn(1, 4, 2, 2048).to(dtype)
    eps = 4 * torch.finfo(dtype).eps
    expected = FRFU(4)(x.float())
    torch.testing.assert_close(upsampler(x).float(), expected, rtol=eps, atol=eps)


def test_names_in_checkpoints():
    names = ('offset', 'offset_mask', 'sample_kernel', 'kernel_mask')
    assert list(FRFU(8).state_dict()) == [f'{n}.{p}' for n in names for p in ('weight', 'bias')]


STARTS = [
    (dict(type='Xavier', layer='Conv2d', distribution='uniform'), [(2 / (256 + 32)) ** 0.5] * 2),
    (
        dict(
            type='Constant',
            layer='Conv2d',
            val=0,
            override=[
                dict(type='Normal', name='offset', std=0.001),
                dict(type='Normal', name='sample_kernel', std=0.005),
            ],
        ),
        [0.001, 0.0],
    ),
]


@pytest.mark.parametrize('init_cfg, expected', STARTS, ids=['detectors', 'segformer'])
def test_the_published_starts(init_cfg, expected):
    upsampler = build_upsampler(dict(type='FRFU', init_cfg=init_cfg), 256)
    upsampler.init_weights()
    found = [getattr(upsampler, name).weight.std().item() for name in ('offset', 'offset_mask')]
    assert found == pytest.approx(expected, rel=0.1)
    if not expected[1]:
        assert upsampler.sample_kernel.weight.std().item() == pytest.approx(0.005, rel=0.1)
    assert not any(conv.bias.any() for conv in upsampler.children())


def test_errors():
    with pytest.raises(ValueError, match='groups=3 must divide the 8 channels'):
        FRFU(8, groups=3)
    with pytest.raises(ValueError, match='up_kernel must be odd'):
        FRFU(8, up_kernel=2)
