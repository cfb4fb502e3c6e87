import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import build_upsample_layer

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


@pytest.mark.parametrize('align_corners', [None, False])
def test_nearest_takes_what_leaves_it_as_it_is(align_corners):
    x = torch.randn(1, 4, 3, 5)
    y = build_upsampler(dict(type='nearest', align_corners=align_corners), 4)(x)
    assert torch.equal(y, F.interpolate(x, scale_factor=2))


def test_options_of_the_layers():
    x = torch.randn(1, 4, 3, 5)
    aligned = build_upsampler(dict(type='bilinear', align_corners=True), 4)(x)
    expected = F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True)
    assert torch.equal(aligned, expected)
    cfg = dict(type='deconv', kernel_size=4, padding=1, output_padding=0, groups=2, bias=False)
    deconv = build_upsampler(cfg, 4)
    assert deconv(x).shape == (1, 4, 6, 10) and deconv.layer.weight.shape == (4, 2, 4, 4)
    assert deconv.layer.stride == (2, 2) and deconv.layer.bias is None
    shuffle = build_upsampler(dict(type='pixel_shuffle', upsample_kernel=5), 4)
    assert shuffle(x).shape == (1, 4, 6, 10)
    assert shuffle.layer.upsample_conv.weight.shape == (16, 4, 5, 5)


@pytest.mark.parametrize('type', ['deconv', 'pixel_shuffle'])
def test_states_are_those_of_mmcvs_layers(type):
    names = dict(in_channels=4, out_channels=4)
    theirs = build_upsample_layer(
        dict(names, type=type, kernel_size=3, stride=2, padding=1, output_padding=1)
        if type == 'deconv'
        else dict(names, type=type, scale_factor=2, upsample_kernel=3)
    )
    ours = build_upsampler(dict(type=type), 4)
    ours.layer.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(1, 4, 3, 5)
    assert torch.equal(ours(x), theirs(x))
