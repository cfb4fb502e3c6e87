"""Upsamplers in models of other libraries, by one call."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.detection import maskrcnn_resnet50_fpn
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

import mmdyup
from mmdyup import DySample, Upsampler
from mmdyup.swap import swap_upsamples
from mmdyup.testing import needs_operators_in_graphs

smp = pytest.importorskip('segmentation_models_pytorch')
DYSAMPLE = dict(type='DySample')


def told(swaps):
    return [(x.module, x.channels, x.scale_factor) for x in swaps.exchanged]


def upsamplers(model):
    return [module for module in model.modules() if isinstance(module, Upsampler)]


class Pyramid(nn.Module):
    """Two levels that meet, by an ``nn.Upsample`` and by a function."""

    def __init__(self):
        super().__init__()
        self.fine = nn.Conv2d(3, 32, 3, padding=1)
        self.coarse = nn.Conv2d(3, 32, 3, 2, 1)
        self.up = nn.Upsample(scale_factor=2, mode='bilinear')

    def forward(self, x):
        fine, coarse = self.fine(x), self.coarse(x)
        met = fine + F.interpolate(coarse, size=fine.shape[-2:], mode='bilinear')
        return met + fine + self.up(coarse)


class Around(nn.Module):
    """Interpolates itself, before and after a module that does, too."""

    def __init__(self):
        super().__init__()
        self.inner = Pyramid()
        self.last = nn.Conv2d(32, 3, 1)

    def forward(self, x):
        once = F.interpolate(x, scale_factor=0.5)
        twice = F.interpolate(self.inner(once), scale_factor=2, mode='bilinear')
        return self.last(twice)


@pytest.fixture
def picture():
    return torch.randn(2, 3, 16, 24)


@pytest.mark.parametrize('model', [Pyramid, Around])
def test_the_models_own_interpolation_is_the_model(model, picture):
    model = model()
    expected = model(picture)
    swaps = swap_upsamples(model, dict(type='bilinear'), picture)
    assert len(swaps.exchanged) == len(upsamplers(model)) >= 2
    assert torch.equal(model(picture), expected)


def test_what_was_exchanged_is_told_and_learns(picture):
    model = Around().train()
    state = model.state_dict()
    swaps = swap_upsamples(model, DYSAMPLE, picture)
    assert told(swaps) == [('inner', 32, 2), ('inner.up', 32, 2), ('', 32, 2)]
    # the smaller picture is no upsampling
    assert swaps.left == [] and 'exchanged: inner.up, 32 channels, 2x' in str(swaps)
    assert model.training and isinstance(model.inner, Pyramid)
    assert all(m.training for m in upsamplers(model))
    assert set(state) < set(model.state_dict())
    model.load_state_dict(state, strict=False)
    model(picture).square().sum().backward()
    for upsampler in upsamplers(model):
        assert type(upsampler) is DySample and upsampler.offset.weight.grad.any()
    assert model(torch.randn(1, 3, 32, 16)).shape == (1, 3, 32, 16)


class Doubling(Upsampler):
    """Nearest; its guide goes on twice as large."""

    guided = True

    def __init__(self, in_channels, scale_factor=2, guide_channels=None):
        super().__init__(in_channels, scale_factor)

    def forward(self, x, guide=None):
        self.guide = guide
        return F.interpolate(x, scale_factor=self.scale_factor)

    def meet(self, x, fine):
        return super().meet(x, fine)[0], 2 * fine


def test_a_guide_is_the_feature_whose_size_was_asked_for(picture):
    model, plain = Pyramid(), Pyramid()
    plain.load_state_dict(model.state_dict())
    swaps = swap_upsamples(model, dict(type=Doubling), picture)
    assert told(swaps) == [('', 32, 2)]
    assert [(x.module, 'needs the finer feature' in x.reason) for x in swaps.left] == [('up', True)]
    fine, coarse = plain.fine(picture), plain.coarse(picture)
    up = F.interpolate(coarse, scale_factor=2)
    out = model(picture)
    torch.testing.assert_close(out, 4 * fine + up + plain.up(coarse))
    assert torch.equal(upsamplers(model)[0].guide, fine)


@pytest.mark.parametrize(
    'copied',
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=['copy', 'pickle'],
)
def test_a_copy_is_the_same_and_its_own(copied, picture):
    model = Around()
    swap_upsamples(model, DYSAMPLE, picture)
    expected = model(picture)
    other = copied(model)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(other(picture), expected)


def test_a_second_exchange_leaves_the_first(picture):
    model = Around()
    swap_upsamples(model, DYSAMPLE, picture)
    before = upsamplers(model)
    assert swap_upsamples(model, dict(type='CARAFE'), picture).exchanged == []
    assert upsamplers(model) == before


class Reasons(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = Shared()
        self.deconv = nn.ConvTranspose2d(32, 32, 2, 2)

    def forward(self, x):
        larger = F.interpolate(x[:, :3], scale_factor=2)
        pooled = F.interpolate(x.mean((2, 3), keepdim=True), size=x.shape[-2:])
        odd = F.interpolate(x, scale_factor=1.5)
        positions = F.interpolate(x, scale_factor=2, mode='bicubic')
        return larger, pooled, odd, positions, self.shared(x, 2), self.shared(x, 4), self.deconv(x)


class Shared(nn.Module):
    def forward(self, x, ratio):
        return F.interpolate(x, scale_factor=ratio)


def test_what_was_left_is_told_with_the_reason():
    model, x = Reasons(), torch.randn(1, 32, 8, 8)
    expected = model(x)
    swaps = swap_upsamples(model, DYSAMPLE, x)
    assert swaps.exchanged == [] and all(map(torch.equal, model(x), expected))
    found = {(left.module, left.reason.split(',')[0].split(':')[0]) for left in swaps.left}
    assert found == {
        ('', 'it has 3 channels'),
        ('', 'it spreads a pooled value out'),
        ('', '(8'),
        ('', 'its mode is bicubic'),
        ('shared', 'the module is called several times'),
        ('deconv', 'a transposed convolution'),
    }


def test_channels_that_do_not_fit_are_told():
    x = torch.randn(1, 6, 8, 8)
    (left,) = swap_upsamples(nn.Upsample(scale_factor=2), DYSAMPLE, x).left
    assert left.reason == 'groups=4 must divide the 6 channels evenly.'


def test_another_ratio_later_is_the_models_own():
    class Fixed(nn.Module):
        def forward(self, x):
            return F.interpolate(F.adaptive_avg_pool2d(x, 4), size=x.shape[-2:])

    model = Fixed()
    swap_upsamples(model, DYSAMPLE, torch.randn(1, 32, 8, 8))
    x = torch.randn(1, 32, 20, 20)
    with pytest.warns(UserWarning, match='SwappedFixed interpolates as it did.*not 2 times apart'):
        assert torch.equal(model(x), Fixed()(x))


@pytest.mark.parametrize(
    ('cfg', 'example', 'kind', 'match'),
    [
        ('DySample', torch.zeros(1, 3, 8, 8), TypeError, 'must be a dict'),
        (dict(type='DySampel'), torch.zeros(1, 3, 8, 8), ValueError, 'no upsampler'),
        (DYSAMPLE, torch.zeros(1, 4, 8, 8), ValueError, 'does not run on the example'),
    ],
    ids=['string', 'name', 'example'],
)
def test_what_cannot_be_done_is_said(cfg, example, kind, match):
    model = Pyramid().train()
    with pytest.raises(kind, match=match):
        swap_upsamples(model, cfg, example)
    assert model.training and type(model) is Pyramid


@pytest.mark.slow
@needs_operators_in_graphs
def test_an_exchanged_model_compiles_into_one_graph(picture):
    torch.compiler.reset()
    model = Around()
    swap_upsamples(model, DYSAMPLE, picture)
    compiled = torch.compile(model, fullgraph=True, backend='aot_eager')
    torch.testing.assert_close(compiled(picture), model(picture))


@pytest.mark.slow
@pytest.mark.parametrize('upsampler', ['nearest', 'FADE'])
def test_a_detector_of_torchvision(upsampler):
    model = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, min_size=64, max_size=96, num_classes=3
    ).eval()
    pictures, feature = [torch.rand(3, 64, 96)], torch.randn(1, 3, 64, 96)
    expected = model.backbone(feature)
    swaps = mmdyup.swap_upsamples(model, dict(type=upsampler), pictures)
    assert told(swaps) == [('backbone.fpn', 256, 2)] * 3
    assert isinstance(model.backbone, BackboneWithFPN)
    reasons = {left.module: left.reason for left in swaps.left}
    assert 'transposed convolution' in reasons['roi_heads.mask_predictor.conv5_mask']
    outs = model.backbone(feature)
    assert [x.shape for x in outs.values()] == [x.shape for x in expected.values()]
    if upsampler == 'nearest':
        assert all(torch.equal(outs[name], expected[name]) for name in expected)
    model.train()
    targets = [
        dict(
            boxes=torch.tensor([[4.0, 4.0, 40.0, 50.0]]),
            labels=torch.tensor([1]),
            masks=torch.ones(1, 64, 96, dtype=torch.uint8),
        )
    ]
    sum(model(pictures, targets).values()).backward()
    for module in upsamplers(model):
        assert all(p.grad.isfinite().all() for p in module.parameters())


def test_a_segmenter_of_torchvision_and_its_logits():
    model = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=8)
    swaps = swap_upsamples(model, DYSAMPLE, torch.rand(1, 3, 64, 64))
    assert told(swaps) == [('classifier', 128, 2), ('', 8, 8)]
    assert model.eval()(torch.rand(1, 3, 96, 64))['out'].shape == (1, 8, 96, 64)


@pytest.mark.parametrize(
    ('name', 'own', 'count'),
    [
        ('Unet', dict(type='nearest'), 5),
        ('UnetPlusPlus', dict(type='nearest'), 11),
        ('Segformer', None, 4),
    ],
)
def test_models_of_segmentation_models_pytorch(name, own, count):
    torch.manual_seed(0)
    model = getattr(smp, name)('resnet18', encoder_weights=None, classes=8).eval()
    other, x = copy.deepcopy(model), torch.rand(1, 3, 64, 96)
    if own is not None:  # Segformer's two interpolations are not the same
        with torch.no_grad():
            expected = model(x)
            assert len(swap_upsamples(model, own, x).exchanged) == count
            assert torch.equal(model(x), expected)
    assert len(swap_upsamples(other, DYSAMPLE, x).exchanged) == count
    other(x).square().sum().backward()
    assert all(module.offset.weight.grad.any() for module in upsamplers(other))


@pytest.mark.parametrize('kind', ['bilinear', 'DySample', 'FADE'])
def test_a_head_of_mmseg(kind):
    heads = pytest.importorskip('mmseg.models.decode_heads')
    head = heads.UPerHead(
        in_channels=[32, 64, 32, 64],
        in_index=[0, 1, 2, 3],
        channels=32,
        num_classes=5,
        pool_scales=(1, 2),
    ).eval()
    levels = [torch.randn(1, c, 32 // 2**i, 32 // 2**i) for i, c in enumerate([32, 64, 32, 64])]
    expected = head(levels)
    swaps = swap_upsamples(head, dict(type=kind), (levels,))
    # three of the path, three of what is gathered
    assert told(swaps) == [('', 32, n) for n in (2, 2, 2, 8, 4, 2)]
    assert {left.reason for left in swaps.left} == {
        'it spreads a pooled value out',
        'its module is a container, whose parts it would become',
    }
    assert head(levels).shape == expected.shape
    if kind == 'bilinear':
        torch.testing.assert_close(head(levels), expected, rtol=0, atol=0)
