import pytest
import torch

pytest.importorskip('mmdet')
from mmdet.models.necks import FPN, FPN_CARAFE  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402

from mmdyup.det import DyFPN, DyFPNCARAFE  # noqa: E402

CHANNELS = [8, 16, 32, 64]
SIZES = [(64, 64), (50, 38), (37, 61), (32, 1)]


def pyramid(size, rounding='up', levels=4):
    features, (h, w) = [], size
    for channels in CHANNELS[:levels]:
        features.append(torch.randn(2, channels, h, w))
        h, w = ((h + 1) // 2, (w + 1) // 2) if rounding == 'up' else (h // 2, w // 2)
    return tuple(features)


def assert_same_outputs(ours, parent, features):
    parent.init_weights()
    ours.load_state_dict(parent.state_dict(), strict=True)
    for a, b in zip(ours(features), parent(features), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize('options', [
    dict(num_outs=4), dict(num_outs=6), dict(num_outs=3, start_level=1),
    dict(num_outs=2, start_level=1, end_level=2),
    dict(num_outs=5, start_level=1, add_extra_convs='on_input'),
    dict(num_outs=6, add_extra_convs='on_lateral', relu_before_extra_convs=True),
    dict(num_outs=6, add_extra_convs='on_output', relu_before_extra_convs=True),
    dict(num_outs=5, norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU')),
])
@pytest.mark.parametrize('size', SIZES)
def test_nearest_dyfpn_is_fpn(options, size):
    args = dict(in_channels=CHANNELS, out_channels=32, **options)
    assert_same_outputs(DyFPN(upsample_cfg=dict(type='nearest'), **args), FPN(**args),
                        pyramid(size))


def test_nearest_dyfpn_is_fpn_where_levels_were_rounded_down():
    args = dict(in_channels=CHANNELS, out_channels=32, num_outs=4)
    assert_same_outputs(DyFPN(**args), FPN(**args), pyramid((45, 59), 'down'))


@pytest.mark.parametrize('options', [
    dict(num_outs=4), dict(num_outs=5), dict(num_outs=6), dict(num_outs=4, start_level=1),
    dict(num_outs=2, start_level=1, end_level=2),
    dict(num_outs=5, norm_cfg=dict(type='BN'), order=('act', 'conv', 'norm'),
         act_cfg=dict(type='ReLU')),
])
@pytest.mark.parametrize('size', SIZES)
def test_nearest_dyfpncarafe_is_fpn_carafe(options, size):
    args = dict(in_channels=CHANNELS, out_channels=32, **options)
    assert_same_outputs(DyFPNCARAFE(upsample_cfg=dict(type='nearest'), **args),
                        FPN_CARAFE(upsample_cfg=dict(type='nearest'), **args), pyramid(size))


def test_dyfpncarafe_loads_and_runs_a_state_of_fpn_carafe_with_carafe():
    args = dict(in_channels=CHANNELS, out_channels=32, num_outs=5)
    cfg = dict(type='carafe', up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1,
               compressed_channels=8)
    parent = FPN_CARAFE(upsample_cfg=cfg, **args)
    ours = DyFPNCARAFE(upsample_cfg=dict(type='CARAFE', compressed_channels=8), **args)
    ours.load_state_dict(parent.state_dict(), strict=True)
    assert [out.shape[-1] for out in ours(pyramid((33, 47)))] == [47, 24, 12, 6, 3]


@pytest.mark.parametrize('neck', [DyFPN, DyFPNCARAFE])
@pytest.mark.parametrize('name', ['bilinear', 'deconv', 'pixel_shuffle', 'CARAFE', 'DLU',
                                  'DySample'])
@pytest.mark.parametrize('size', SIZES)
def test_every_upsampler_at_any_size(neck, name, size, device):
    model = MODELS.build(dict(type=neck.__name__, in_channels=CHANNELS, out_channels=32, num_outs=5,
                              upsample_cfg=dict(type=name))).to(device)
    features = tuple(x.to(device) for x in pyramid(size))
    outs = model(features)
    assert [out.shape[-2:] for out in outs[:4]] == [x.shape[-2:] for x in features]
    sum(out.sum() for out in outs).backward()
    grads = {key: p.grad for key, p in model.named_parameters() if 'upsample_modules' in key}
    assert all(grad is not None and grad.isfinite().all() for grad in grads.values())
    assert len(model.upsample_modules) == (3 if neck is DyFPN else 4)


@pytest.mark.parametrize('neck', [DyFPN, DyFPNCARAFE])
def test_the_start_survives_the_necks_init(neck):
    def offsets(cfg):
        model = neck([64] * 4, 256, 5, upsample_cfg=cfg)
        model.init_weights()
        return torch.cat([m.conv_offset.weight.flatten() if cfg['type'] == 'DLU' else
                          m.offset.weight.flatten() for m in model.upsample_modules])

    torch.testing.assert_close(offsets(dict(type='DySample')).std().item(), 0.001, rtol=0.1, atol=0)
    assert not offsets(dict(type='DLU')).any()


@pytest.mark.parametrize('neck', [DyFPN, DyFPNCARAFE])
def test_errors_say_what_to_do(neck):
    with pytest.raises(ValueError, match="no upsampler 'DySampel'.*DySample"):
        neck(CHANNELS, 32, 5, upsample_cfg=dict(type='DySampel'))
    model = neck(CHANNELS, 32, 5)
    features = list(pyramid((16, 16)))
    features[3] = torch.randn(2, 64, 4, 4)
    with pytest.raises(ValueError, match='are not 2 times apart'):
        model(tuple(features))
