import pytest
import torch
import torch.nn.functional as F

from mmdyup import build_upsampler


@pytest.mark.parametrize('s', [2, 3])
def test_interpolation(s):
    x = torch.randn(1, 4, 3, 5)
    assert torch.equal(
        build_upsampler(dict(type='nearest'), 4, s)(x), F.interpolate(x, scale_factor=s)
    )
    assert torch.equal(
        build_upsampler(dict(type='bilinear'), 4, s)(x),
        F.interpolate(x, scale_factor=s, mode='bilinear', align_corners=False),
    )


def test_deconv_is_3x3_with_stride_2():
    layer = build_upsampler(dict(type='deconv'), 256).layer
    assert layer.weight.shape == (256, 256, 3, 3) and layer.stride == (2, 2)
    assert sum(p.numel() for p in layer.parameters()) == 256 * 256 * 9 + 256


def test_deconv_leaves_no_gap_at_any_ratio():
    upsampler = build_upsampler(dict(type='deconv'), 1, 4)
    torch.nn.init.ones_(upsampler.layer.weight)
    assert (upsampler(torch.ones(1, 1, 3, 3)) > 0).all()


def test_pixel_shuffle_is_3x3():
    layer = build_upsampler(dict(type='pixel_shuffle'), 256).layer
    assert sum(p.numel() for p in layer.parameters()) == 256 * 1024 * 9 + 1024


@pytest.mark.skipif(torch.cuda.is_available(), reason='where there is CUDA it runs')
def test_mmcvs_own_carafe_can_be_named():
    upsampler = build_upsampler(dict(type='carafe', up_kernel=3), 8)
    assert upsampler.layer.up_kernel == 3
    with pytest.raises(RuntimeError, match='implementation for device cpu'):
        upsampler(torch.randn(1, 8, 2, 2))
