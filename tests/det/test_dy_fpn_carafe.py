import pytest

pytest.importorskip('mmdet')
from mmdet.models.necks import FPN_CARAFE  # noqa: E402

from mmdyup.det import DyFPNCARAFE  # noqa: E402

CHANNELS = [8, 16, 32, 64]


@pytest.mark.parametrize(
    'options',
    [
        dict(num_outs=4),
        dict(num_outs=5),
        dict(num_outs=6),
        dict(num_outs=4, start_level=1),
        dict(num_outs=2, start_level=1, end_level=2),
        dict(
            num_outs=5,
            norm_cfg=dict(type='BN'),
            order=('act', 'conv', 'norm'),
            act_cfg=dict(type='ReLU'),
        ),
    ],
)
@pytest.mark.parametrize('size', [(64, 64), (50, 38), (37, 61), (32, 1)])
def test_nearest_is_fpn_carafe(options, size, pyramid, assert_same_outputs):
    args = dict(in_channels=CHANNELS, out_channels=32, **options)
    assert_same_outputs(
        DyFPNCARAFE(upsample_cfg=dict(type='nearest'), **args),
        FPN_CARAFE(upsample_cfg=dict(type='nearest'), **args),
        pyramid(CHANNELS, size),
    )


def test_a_state_of_fpn_carafe_with_carafe_loads_and_runs(pyramid):
    args = dict(in_channels=CHANNELS, out_channels=32, num_outs=5)
    cfg = dict(
        type='carafe',
        up_kernel=5,
        up_group=1,
        encoder_kernel=3,
        encoder_dilation=1,
        compressed_channels=8,
    )
    parent = FPN_CARAFE(upsample_cfg=cfg, **args)
    ours = DyFPNCARAFE(upsample_cfg=dict(type='CARAFE', compressed_channels=8), **args)
    ours.load_state_dict(parent.state_dict(), strict=True)
    assert [out.shape[-1] for out in ours(pyramid(CHANNELS, (33, 47)))] == [47, 24, 12, 6, 3]


def test_its_extra_level_has_an_upsampler_too():
    model = DyFPNCARAFE(CHANNELS, 32, 5, upsample_cfg=dict(type='DySample'))
    assert [m.scale_factor for m in model.upsample_modules] == [2, 2, 2, 2]
