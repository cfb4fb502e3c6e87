import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from mmdyup.ops import point_sample
from mmdyup.upsamplers.dysample import bilinear_start

# n, c, h, w, groups, s
CASES = [(2, 4, 3, 4, 2, 2), (1, 3, 1, 1, 3, 3), (1, 4, 5, 1, 1, 1), (1, 8, 2, 3, 4, 4)]


def inputs(n, c, h, w, groups, s, spread=3., **options):
    return (torch.randn(n, c, h, w, **options),
            (spread * torch.randn(n, 2 * groups * s * s, h, w, **options)))


@pytest.mark.parametrize('n, c, h, w, groups, s', CASES)
def test_native_equals_plain_loops(n, c, h, w, groups, s, device):
    x, o = inputs(n, c, h, w, groups, s, dtype=torch.float64, device=device)
    torch.testing.assert_close(point_sample(x, o, s, groups),
                               point_sample(x, o, s, groups, backend='reference'))


@pytest.mark.parametrize('n, c, h, w, groups, s', CASES)
def test_gradcheck(n, c, h, w, groups, s):
    x, o = inputs(n, c, h, w, groups, s, spread=0.3, dtype=torch.float64)
    # central differences need a function that is smooth: keep clear of the pixel centres
    o = torch.where(o.frac().abs() < 0.05, o + 0.1, o)
    assert gradcheck(lambda x, o: point_sample(x, o, s, groups),
                     (x.requires_grad_(), o.requires_grad_()))


def test_channel_order_by_hand():
    x = torch.arange(12.).view(1, 1, 3, 4).repeat(1, 2, 1, 1)
    o = torch.zeros(1, 2, 2, 4, 3, 4)  # coordinate, group, place
    o[0, 0, 1, 1] = 1  # second group, upper right place: one pixel to the right
    o[0, 1, 0, 2] = 1  # first group, lower left place: one pixel down
    y = point_sample(x, o.flatten(1, 3), 2, 2)
    nearest = F.interpolate(x, scale_factor=2)
    expected = nearest.clone()
    expected[0, 1, 0::2, 1::2] = x[0, 1, :, [1, 2, 3, 3]]
    expected[0, 0, 1::2, 0::2] = x[0, 0, [1, 2, 2]]
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize('s', [1, 2, 3, 4])
def test_the_start_is_bilinear_interpolation(s, device):
    x = torch.randn(2, 8, 9, 13, dtype=torch.float64, device=device)
    o = bilinear_start(s, 4).to(x).expand(2, -1, 9, 13)
    torch.testing.assert_close(
        point_sample(x, o, s, 4),
        F.interpolate(x, scale_factor=s, mode='bilinear', align_corners=False),
        atol=1e-6, rtol=1e-6)  # the start itself is float32


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('width', [128, 1024, 2048, 4096])
def test_half_precision_keeps_positions(dtype, width, device):
    x = torch.randn(1, 4, 2, width, device=device).to(dtype)
    o = bilinear_start(2, 1).to(x).expand(1, -1, 2, width)
    y = point_sample(x, o, 2, 1)
    expected = F.interpolate(x.double(), scale_factor=2, mode='bilinear', align_corners=False)
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), expected, rtol=torch.finfo(dtype).eps, atol=2e-3)


def test_memory_format_is_the_callers():
    x, o = inputs(2, 8, 4, 6, 2, 2)
    y = point_sample(x.to(memory_format=torch.channels_last), o, 2, 2)
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, point_sample(x, o, 2, 2))


def test_empty_batch(device):
    x, o = inputs(0, 4, 3, 3, 2, 2, device=device, requires_grad=True)
    y = point_sample(x, o, 2, 2)
    assert y.shape == (0, 4, 6, 6)
    y.sum().backward()


def test_far_outside_reads_the_border(device):
    x = torch.randn(1, 1, 3, 4, device=device)
    o = torch.full((1, 2, 3, 4), 1e4, device=device)
    torch.testing.assert_close(point_sample(x, o, 1), x[..., -1:, -1:].expand_as(x))


def test_errors_say_what_to_do():
    x, o = inputs(1, 4, 3, 3, 2, 2)
    for kind, match, args in [
        (ValueError, r'shape \(1, 16, 3, 3\)', (x, o[:, :8], 2, 2)),
        (ValueError, 'groups=3', (x, o, 2, 3)),
        (TypeError, 'scale_factor must be an integer', (x, o, '2', 2)),
        (TypeError, 'offsets must be a floating', (x, o.int(), 2, 2)),
        (ValueError, 'backend must be one of auto, native', (x, o, 2, 2, 'mmcv')),
    ]:
        with pytest.raises(kind, match=match):
            point_sample(*args)
