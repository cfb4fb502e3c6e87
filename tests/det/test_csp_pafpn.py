import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmdet')
from mmdet.models.necks import YOLOXPAFPN, CSPNeXtPAFPN  # noqa: E402

from mmdyup.det import DyCSPNeXtPAFPN, DyYOLOXPAFPN  # noqa: E402
from mmdyup.upsamplers import DySample  # noqa: E402

CHANNELS = [8, 16, 32]
NECKS = pytest.mark.parametrize(
    ('neck', 'parent'), [(DyYOLOXPAFPN, YOLOXPAFPN), (DyCSPNeXtPAFPN, CSPNeXtPAFPN)]
)


class Resize(torch.nn.Module):
    """Stands for the parent's ``nn.Upsample``: nearest, to the given sizes one after another."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = list(sizes)

    def forward(self, x):
        return F.interpolate(x, size=self.sizes.pop(0), mode='nearest')


@NECKS
@pytest.mark.parametrize('channels', [CHANNELS, [8, 16], [8, 16, 8, 24]])
@pytest.mark.parametrize(
    'options',
    [
        dict(num_csp_blocks=1),
        dict(num_csp_blocks=2, use_depthwise=True),
        dict(num_csp_blocks=1, norm_cfg=None, act_cfg=dict(type='ReLU')),
    ],
)
@pytest.mark.parametrize('training', [True, False])
def test_nearest_is_the_parent(
    neck, parent, channels, options, training, pyramid, assert_same_outputs
):
    args = dict(in_channels=channels, out_channels=16, **options)
    assert_same_outputs(
        neck(**args).train(training), parent(**args).train(training), pyramid(channels, (32, 48))
    )


@NECKS
@pytest.mark.parametrize('size', [(37, 61), (50, 38), (32, 1)])
def test_other_sizes_are_fitted_to_the_finer_level(
    neck, parent, size, pyramid, assert_same_outputs
):
    args = dict(in_channels=CHANNELS, out_channels=16, num_csp_blocks=1)
    features = pyramid(CHANNELS, size)
    expected = parent(**args)
    expected.upsample = Resize(x.shape[-2:] for x in features[-2::-1])
    assert_same_outputs(neck(**args), expected, features)


@NECKS
def test_each_upsampler_has_the_channels_of_its_finer_level(neck, parent):
    model = neck(CHANNELS, 16, 1, upsample_cfg=dict(type='DySample'))
    assert [(m.in_channels, m.scale_factor) for m in model.upsample_modules] == [(8, 2), (16, 2)]


@NECKS
def test_the_guide_is_the_finer_level(neck, parent, guide_teller, pyramid):
    features = pyramid(CHANNELS, (37, 61))
    model = neck(CHANNELS, 16, 1, upsample_cfg=dict(type=guide_teller))
    expected = parent(CHANNELS, 16, 1)
    expected.load_state_dict(model.state_dict())
    guides = list(features[:-1])
    expected.upsample.forward = lambda x: guides.pop()
    for a, b in zip(model(features), expected(features), strict=True):
        assert torch.equal(a, b)


@NECKS
def test_what_a_config_inherits_for_nn_upsample_is_left_out(neck, parent):
    inherited = dict(scale_factor=2, mode='nearest')
    model = neck(CHANNELS, 16, 1, upsample_cfg=dict(inherited, type='DySample', groups=2))
    assert all(isinstance(m, DySample) and m.groups == 2 for m in model.upsample_modules)
    model = neck(CHANNELS, 16, 1, upsample_cfg=inherited)
    assert model.upsample_cfg == dict(type='nearest')
    with pytest.raises(ValueError, match='mode.*does not fit its type'):
        neck(CHANNELS, 16, 1, upsample_cfg=dict(type='DySample', mode='bilinear'))
    with pytest.raises(TypeError, match='must be a dict'):
        neck(CHANNELS, 16, 1, upsample_cfg='DySample')
