"""The mask heads of regions."""

import pytest
import torch

pytest.importorskip('mmdet')
from mmcv.ops.carafe import CARAFEPack  # noqa: E402
from mmdet.models.roi_heads.mask_heads import (  # noqa: E402
    DynamicMaskHead,
    FCNMaskHead,
    HTCMaskHead,
    SCNetMaskHead,
)
from mmdet.registry import MODELS  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.model import Sequential  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

from mmdyup import CARAFE, DySample, build_upsampler  # noqa: E402
from mmdyup.det import (  # noqa: E402
    DyDynamicMaskHead,
    DyFCNMaskHead,
    DyHTCMaskHead,
    DySCNetMaskHead,
)

INTERACTIVE = dict(
    type='DynamicConv',
    in_channels=32,
    feat_channels=8,
    out_channels=32,
    input_feat_shape=7,
    with_proj=False,
)
HEADS = {
    FCNMaskHead: (DyFCNMaskHead, {}),
    HTCMaskHead: (DyHTCMaskHead, {}),
    SCNetMaskHead: (DySCNetMaskHead, {}),
    DynamicMaskHead: (DyDynamicMaskHead, dict(dynamic_conv_cfg=INTERACTIVE)),
}
SIZES = dict(num_convs=2, in_channels=32, conv_out_channels=32, num_classes=5)


@pytest.fixture(params=HEADS, ids=lambda parent: parent.__name__)
def parent(request):
    return request.param


def build(parent, upsample_cfg=None, **options):
    part, own = HEADS[parent]
    return part(**SIZES | own | options, upsample_cfg=upsample_cfg)


def masks(head, regions=3):
    torch.manual_seed(1)
    inputs = [torch.randn(regions, 32, 7, 7)]
    if isinstance(head, DynamicMaskHead):
        inputs.append(torch.randn(regions, 32))
    out = head(*inputs)
    return out[0] if isinstance(out, list) else out


@pytest.mark.parametrize('kind', [None, 'deconv', 'nearest', 'bilinear'])
def test_the_parents_own_layers_are_the_parent(parent, kind):
    cfg = kind and dict(type=kind)
    own = {} if kind is None else dict(upsample_cfg=dict(type=kind, scale_factor=2))
    ours, theirs = build(parent, cfg), parent(**SIZES | HEADS[parent][1] | own)
    theirs.init_weights()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert torch.equal(masks(ours), masks(theirs))


def test_an_upsampler_stands_in_its_place(parent):
    head = build(parent, dict(type='DySample', scale_factor=2))
    assert type(head.upsample) is DySample and head.upsample.in_channels == 32
    out = masks(head)
    assert out.shape == (3, 5, 14, 14)
    out.square().sum().backward()
    used = {name for name, parameter in head.named_parameters() if parameter.grad is not None}
    assert {'upsample.offset.weight', 'upsample.offset.bias', 'conv_logits.weight'} <= used
    assert masks(head, regions=0).shape == (0, 5, 14, 14)


def test_the_start_survives_the_parents(parent):
    head = build(parent, dict(type='DySample'))
    init_cfg = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=1)
    Sequential(head, init_cfg=init_cfg).init_weights()
    torch.testing.assert_close(head.upsample.offset.weight.std().item(), 0.001, rtol=0.2, atol=0)
    assert not head.upsample.offset.bias.any()


def test_other_ratios():
    assert masks(build(FCNMaskHead, dict(type='DySample', scale_factor=4))).shape[-1] == 28
    assert masks(build(FCNMaskHead, dict(type='nearest', scale_factor=4))).shape[-1] == 28


def test_without_convolutions_the_upsampler_has_the_channels_that_come_in():
    head = build(FCNMaskHead, dict(type='DySample'), num_convs=0, conv_out_channels=16)
    assert head.upsample.in_channels == 32 and masks(head).shape == (3, 5, 14, 14)


def test_a_head_with_mmcvs_carafe_is_taken():
    # a CARAFEPack is built on every machine, and runs on CUDA alone
    theirs = FCNMaskHead(**SIZES, upsample_cfg=dict(type='carafe', scale_factor=2, up_group=1))
    assert type(theirs.upsample) is CARAFEPack
    ours = build(FCNMaskHead, dict(type='CARAFE', scale_factor=2, up_group=1))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert type(ours.upsample) is CARAFE
    expected = ours.convs[1](ours.convs[0](torch.ones(1, 32, 7, 7)))
    upsampler = build_upsampler(dict(type='CARAFE'), 32)
    upsampler.load_state_dict(theirs.upsample.state_dict(), strict=True)
    torch.testing.assert_close(
        ours(torch.ones(1, 32, 7, 7)), theirs.conv_logits(upsampler(expected))
    )


@pytest.mark.slow
def test_the_whole_mask_rcnn_with_mmdets_carafe_is_taken(tmp_path):
    stock = 'mmdet::carafe/mask-rcnn_r50_fpn-carafe_1x_coco.py'
    carafe = dict(type='CARAFE')
    change = dict(
        neck=dict(type='DyFPNCARAFE', upsample_cfg=carafe),
        roi_head=dict(mask_head=dict(type='DyFCNMaskHead', upsample_cfg=carafe)),
    )
    init_default_scope('mmdet')
    models = []
    for i, line in enumerate(['', f'model = {change!r}']):
        file = tmp_path / f'config_{i}.py'
        file.write_text(f'_base_ = {stock!r}\n{line}')
        with torch.device('meta'):
            models.append(MODELS.build(Config.fromfile(file).model))
    theirs, ours = models
    names = {
        f'roi_head.mask_head.upsample.{layer}.{kind}'
        for layer in ('channel_compressor', 'content_encoder')
        for kind in ('weight', 'bias')
    }
    state = theirs.state_dict()
    assert names <= set(state)
    ours.load_state_dict(state, strict=True, assign=True)
    for name in names:
        assert ours.get_parameter(name).shape == state[name].shape


def test_a_guided_upsampler_is_refused_in_a_sentence(parent):
    with pytest.raises(ValueError, match='FADE needs the finer feature.*choose an upsampler'):
        build(parent, dict(type='FADE'))


@pytest.mark.parametrize(
    ('cfg', 'kind', 'match'),
    [
        ('DySample', TypeError, 'must be a dict'),
        (dict(type='DySampel'), ValueError, "no upsampler 'DySampel'"),
        (dict(type='DySample', colour=1), ValueError, 'colour=1'),
    ],
    ids=str,
)
def test_a_config_that_does_not_fit(cfg, kind, match):
    with pytest.raises(kind, match=match):
        build(FCNMaskHead, cfg)
