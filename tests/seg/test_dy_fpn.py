import pytest
import torch

pytest.importorskip('mmseg')
from mmseg.models.necks import FPN  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402

from mmdyup.seg import DyFPN  # noqa: E402

CHANNELS = [8, 16, 32]


def build(**options):
    return MODELS.build(dict(type='DyFPN', in_channels=CHANNELS, out_channels=32, **options))


@pytest.mark.parametrize(
    'options',
    [
        dict(num_outs=3),
        dict(num_outs=5),
        dict(num_outs=2, start_level=1),
        dict(num_outs=2, end_level=2),
        dict(num_outs=5, add_extra_convs=True),
        dict(num_outs=4, add_extra_convs='on_input', norm_cfg=dict(type='BN')),
        dict(num_outs=5, add_extra_convs='on_lateral', relu_before_extra_convs=True),
    ],
)
@pytest.mark.parametrize(
    'size, rounding',
    [
        ((32, 48), 'up'),
        ((37, 61), 'up'),
        ((45, 59), 'down'),
        ((9, 1), 'up'),
    ],
)
def test_nearest_is_the_parent(options, size, rounding, pyramid):
    parent = FPN(CHANNELS, 32, **options)
    parent.init_weights()
    ours = build(upsample_cfg=dict(type='nearest'), **options)
    ours.load_state_dict(parent.state_dict(), strict=True)
    features = pyramid(CHANNELS, size, rounding)
    for a, b in zip(ours(features), parent(features), strict=True):
        assert torch.equal(a, b)


def test_is_found_beside_the_detectors_neck_of_the_same_name():
    assert isinstance(build(num_outs=3), DyFPN)
    assert issubclass(DyFPN, FPN)


@pytest.mark.parametrize(
    'name', ['bilinear', 'deconv', 'pixel_shuffle', 'CARAFE', 'DLU', 'DySample', 'FADE', 'SAPA']
)
@pytest.mark.parametrize('size', [(37, 22), (4, 1)])
def test_every_upsampler_at_any_size(name, size, pyramid, device):
    neck = build(num_outs=4, upsample_cfg=dict(type=name)).to(device)
    features = tuple(x.to(device) for x in pyramid(CHANNELS, size))
    outs = neck(features)
    assert [out.shape[-2:] for out in outs[:3]] == [x.shape[-2:] for x in features]
    sum(out.sum() for out in outs).backward()
    assert len(neck.upsample_modules) == 2
    for key, parameter in neck.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key


def test_the_start_survives_the_necks_init():
    neck = DyFPN(CHANNELS, 256, 3, upsample_cfg=dict(type='DySample'))
    neck.init_weights()
    for upsampler in neck.upsample_modules:
        torch.testing.assert_close(upsampler.offset.weight.std().item(), 0.001, rtol=0.1, atol=0)


def test_the_parents_own_form_of_upsample_cfg_is_told_apart():
    with pytest.raises(ValueError, match="needs a 'type'"):
        build(num_outs=3, upsample_cfg=dict(mode='nearest'))
