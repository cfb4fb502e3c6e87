import pytest

pytest.importorskip('mmdet')
from mmdet.models.necks import FPN, PAFPN  # noqa: E402

from mmdyup.det import DyFPN, DyPAFPN  # noqa: E402

CHANNELS = [8, 16, 32, 64]


@pytest.mark.parametrize(('neck', 'parent'), [(DyFPN, FPN), (DyPAFPN, PAFPN)])
@pytest.mark.parametrize(
    'options',
    [
        dict(num_outs=4),
        dict(num_outs=6),
        dict(num_outs=3, start_level=1),
        dict(num_outs=2, start_level=1, end_level=2),
        dict(num_outs=5, start_level=1, add_extra_convs='on_input'),
        dict(num_outs=6, add_extra_convs='on_lateral', relu_before_extra_convs=True),
        dict(num_outs=6, add_extra_convs='on_output', relu_before_extra_convs=True),
        dict(num_outs=5, norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU')),
    ],
)
@pytest.mark.parametrize('size', [(64, 64), (50, 38), (37, 61), (32, 1)])
def test_nearest_is_the_parent(neck, parent, options, size, pyramid, assert_same_outputs):
    args = dict(in_channels=CHANNELS, out_channels=32, **options)
    assert_same_outputs(
        neck(upsample_cfg=dict(type='nearest'), **args), parent(**args), pyramid(CHANNELS, size)
    )


def test_nearest_is_fpn_where_levels_were_rounded_down(pyramid, assert_same_outputs):
    args = dict(in_channels=CHANNELS, out_channels=32, num_outs=4)
    assert_same_outputs(DyFPN(**args), FPN(**args), pyramid(CHANNELS, (45, 59), 'down'))


@pytest.mark.parametrize('neck', [DyFPN, DyPAFPN])
def test_there_is_one_upsampler_between_two_levels(neck):
    model = neck(CHANNELS, 32, 5, upsample_cfg=dict(type='DySample'))
    assert [m.scale_factor for m in model.upsample_modules] == [2, 2, 2]
