"""The three heads: what holds for all of them, then each against its parent."""

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmseg')
from mmseg.models.decode_heads import FPNHead, SegformerHead, UPerHead  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402

from mmdyup.seg import DyFPNHead, DySegformerHead, DyUPerHead  # noqa: E402
from mmdyup.upsamplers import Upsampler  # noqa: E402

HEADS = {DySegformerHead: SegformerHead, DyUPerHead: UPerHead, DyFPNHead: FPNHead}
UPSAMPLERS = {DySegformerHead: 6, DyUPerHead: 3, DyFPNHead: 6}
CHANNELS = [8, 16, 24, 32]
every_head = pytest.mark.parametrize('head', HEADS)


def config(head, in_channels=CHANNELS, channels=32, **options):
    cfg = (
        dict(
            in_channels=in_channels,
            in_index=list(range(len(in_channels))),
            channels=channels,
            num_classes=5,
        )
        | options
    )
    if issubclass(head, FPNHead):
        cfg['feature_strides'] = [4 * 2**i for i in cfg['in_index']]
    return cfg


def build(head, **options):
    return head(**config(head, **options)).eval()


def build_pair(head, upsample_cfg=None, **options):
    """Ours and its parent, of the same weights."""
    parent = build(HEADS[head], **options)
    ours = build(head, upsample_cfg=upsample_cfg, **options)
    ours.load_state_dict(parent.state_dict(), strict=True)
    return ours, parent


class Recorder(Upsampler):
    """Nearest, and keeps its guide."""

    guided = True

    def __init__(self, in_channels, scale_factor=2, guide_channels=None):
        super().__init__(in_channels, scale_factor)
        self.guide_channels = guide_channels or in_channels

    def forward(self, x, guide=None):
        assert guide.shape[1] == self.guide_channels
        self.guide = guide
        return F.interpolate(x, scale_factor=self.scale_factor)


@every_head
@pytest.mark.parametrize(
    'name',
    ['nearest', 'bilinear', 'deconv', 'pixel_shuffle', 'CARAFE', 'DLU', 'DySample', 'FADE', 'SAPA'],
)
@pytest.mark.parametrize('size, rounding', [((21, 30), 'down'), ((9, 1), 'up')])
def test_every_upsampler_at_any_size(head, name, size, rounding, pyramid, device):
    # FADE's gate needs a guide of the feature's channels
    in_channels = [32] * 4 if name == 'FADE' else [32, 64, 32, 64]
    model = build(head, in_channels=in_channels, upsample_cfg=dict(type=name)).to(device)
    out = model(tuple(x.to(device) for x in pyramid(in_channels, size, rounding)))
    assert out.shape == (2, 5, *size)
    out.square().sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key
    assert sum(isinstance(m, Upsampler) for m in model.modules()) == UPSAMPLERS[head]


@every_head
def test_a_guide_is_the_finer_level_as_the_head_has_it(head, pyramid):
    model = build(head, upsample_cfg=dict(type=Recorder))
    features = pyramid(CHANNELS, (16, 24))
    model(features)
    if head is DyUPerHead:
        for i, upsampler in enumerate(model.upsample_modules):
            assert torch.equal(upsampler.guide, model.lateral_convs[i](features[i]))
        return
    levels = features
    if head is DySegformerHead:
        levels = [conv(x) for conv, x in zip(model.convs, features, strict=True)]
    assert [len(steps) for steps in model.upsample_modules] == [0, 1, 2, 3]
    for i, steps in enumerate(model.upsample_modules):
        for k, upsampler in enumerate(steps):
            assert torch.equal(upsampler.guide, levels[i - 1 - k])


@every_head
@pytest.mark.parametrize('name', ['DySample', 'DLU'])
def test_the_start_survives_the_models_init(head, name):
    backbone = dict(
        type='MixVisionTransformer', embed_dims=8, num_heads=[1, 2, 3, 4], num_layers=[1] * 4
    )
    model = MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=backbone,
            decode_head=dict(
                type=head.__name__, upsample_cfg=dict(type=name), **config(head, channels=128)
            ),
            init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform'),
        )
    )
    model.init_weights()
    layer, std = dict(DySample=('offset', 0.001), DLU=('conv_offset', 0.0))[name]
    upsamplers = [m for m in model.modules() if isinstance(m, Upsampler)]
    assert len(upsamplers) == UPSAMPLERS[head]
    for upsampler in upsamplers:
        own = getattr(upsampler, layer)
        torch.testing.assert_close(own.weight.std().item(), std, rtol=0.1, atol=1e-9)
        assert not own.bias.any()


@pytest.mark.parametrize(
    'head, channels', [(DySegformerHead, 256), (DyUPerHead, 512), (DyFPNHead, 128)]
)
@pytest.mark.parametrize(
    'cfg',
    [
        dict(type='CARAFE'),
        dict(type='DLU'),
        dict(type='FADE'),
        dict(type='SAPA'),
        dict(type='DySample'),
        dict(type='DySample', style='pl', groups=8, dyscope=True),
        dict(type='deconv'),
        dict(type='pixel_shuffle'),
    ],
    ids=lambda cfg: '-'.join(str(value) for value in cfg.values()),
)
def test_parameters_are_the_papers(head, cfg, channels):
    def size(cls, **options):
        with torch.device('meta'):
            model = build(cls, in_channels=[channels] * 4, channels=channels, **options)
        return sum(parameter.numel() for parameter in model.parameters())

    def conv(k, c_in, c_out, bias=True):
        return k**2 * c_in * c_out + bias * c_out

    c = channels
    own = dict(
        CARAFE=conv(1, c, 64) + conv(3, 64, 100),
        DLU=conv(1, c, 64) + conv(3, 64, 25) + conv(3, 64, 8),
        FADE=conv(1, c, 64) + conv(1, c, 64, bias=False) + conv(3, 64, 25) + conv(1, c, 1),
        SAPA=2 * (2 * c + conv(1, c, 32)),
        DySample=(
            conv(1, c // 4, 16) + conv(1, c // 4, 16, bias=False)
            if 'style' in cfg
            else conv(1, c, 32)
        ),
        deconv=conv(3, c, c),
        pixel_shuffle=conv(3, c, 4 * c),
    )[cfg['type']]
    published = dict(
        CARAFE=74148, DLU=35489, FADE=47514, SAPA=17472, deconv=590080, pixel_shuffle=2360320
    )
    if channels == 256 and cfg['type'] in published:
        assert own == published[cfg['type']]
    assert size(head, upsample_cfg=cfg) - size(HEADS[head]) == UPSAMPLERS[head] * own


@pytest.mark.parametrize('head', [DyUPerHead, DyFPNHead])
@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(align_corners=True),
        dict(norm_cfg=dict(type='BN')),
        dict(in_channels=[8, 16]),
    ],
)
def test_bilinear_is_the_parent_where_sizes_divide(head, options, pyramid):
    ours, parent = build_pair(head, **options)
    features = pyramid(options.get('in_channels', CHANNELS), (16, 40))
    assert torch.equal(ours(features), parent(features))


def test_two_levels_of_segformer_are_the_parents_one_resize(pyramid):
    features = pyramid([8, 16], (16, 40))
    for cfg in (None, dict(type='bilinear')):
        ours, parent = build_pair(DySegformerHead, cfg, in_channels=[8, 16])
        assert torch.equal(ours(features), parent(features))
    ours, parent = build_pair(DySegformerHead, in_channels=[8, 16], align_corners=True)
    assert torch.equal(ours(features), parent(features))


def test_nearest_steps_of_segformer_are_one_nearest_resize(pyramid):
    ours, parent = build_pair(DySegformerHead, interpolate_mode='nearest', align_corners=None)
    features = pyramid(CHANNELS, (16, 40))
    assert torch.equal(ours(features), parent(features))


@pytest.mark.parametrize('size', [(16, 40), (19, 27)])
def test_bilinear_steps_of_segformer_are_the_parent_on_even_maps(size, pyramid):
    ours, parent = build_pair(DySegformerHead)
    features = [x[..., :1, :1].expand_as(x) for x in pyramid(CHANNELS, size)]
    torch.testing.assert_close(ours(features), parent(features))


def fitted(x, size):
    y = F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)
    return y[..., : size[0], : size[1]]


@pytest.mark.parametrize('size', [(17, 40), (33, 23)])
def test_odd_steps_of_uper_are_fitted(size, pyramid, monkeypatch):
    ours, parent = build_pair(DyUPerHead)
    features = pyramid(CHANNELS, size)
    calls = []

    def resize(x, size, **options):
        calls.append(size)
        return fitted(x, size) if len(calls) <= 3 else F.interpolate(x, size, **options)

    monkeypatch.setattr(f'{UPerHead.__module__}.resize', resize)
    assert torch.equal(ours(features), parent(features))
    assert len(calls) == 6


@pytest.mark.parametrize('size', [(17, 40), (33, 23)])
def test_odd_steps_of_semantic_fpn_are_fitted(size, pyramid):
    ours, parent = build_pair(DyFPNHead)
    p2, p3, p4, p5 = features = pyramid(CHANNELS, size)
    (a,), (b, _), (c, _, d, _), (e, _, f, _, g, _) = parent.scale_heads
    s2, s3, s4 = (x.shape[-2:] for x in (p2, p3, p4))
    expected = (
        a(p2)
        + fitted(b(p3), s2)
        + fitted(d(fitted(c(p4), s3)), s2)
        + fitted(g(fitted(f(fitted(e(p5), s4)), s3)), s2)
    )
    assert torch.equal(ours(features), parent.cls_seg(expected))


@every_head
def test_errors_say_what_to_do(head, pyramid):
    with pytest.raises(ValueError, match="no upsampler 'DySampel'.*DySample"):
        build(head, upsample_cfg=dict(type='DySampel'))
    features = list(pyramid(CHANNELS, (16, 16)))
    features[3] = torch.randn(2, 32, 4, 4)
    with pytest.raises(ValueError, match='are not 2 times apart'):
        build(head)(features)


def test_strides_that_leave_a_level_out():
    with pytest.raises(ValueError, match=r'must double.*\[4, 8, 32\]'):
        DyFPNHead([4, 8, 32], in_channels=[8] * 3, in_index=[0, 1, 2], channels=8, num_classes=5)
