"""The heads of SegFormer and UPerNet."""

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmseg')
from mmseg.models.decode_heads import SegformerHead, UPerHead  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402

from mmdyup import list_upsamplers  # noqa: E402
from mmdyup.seg import DyFPNHead, DySegformerHead, DyUPerHead  # noqa: E402
from mmdyup.testing import NeckContract  # noqa: E402


def arguments(in_channels, channels):
    return dict(
        in_channels=in_channels,
        in_index=list(range(len(in_channels))),
        channels=channels,
        num_classes=5,
        dropout_ratio=0,
    )


class OfFourLevels(NeckContract):
    args = arguments([32, 64, 32, 64], 32)
    in_channels = [32, 64, 32, 64]
    is_head = True

    def build_pair(self, **options):
        """Ours and its parent, of the same weights."""
        parent = self.parent(**self.args | options).eval()
        ours = self.build(**options).eval()
        ours.load_state_dict(parent.state_dict(), strict=True)
        return ours, parent

    def test_sizes_rounded_down_are_fitted(self):
        (out,) = self.outputs(self.build(dict(type='DySample')), self.levels((21, 30), 'down'))
        assert out.shape == (2, 5, 21, 30)


class TestDyUPerHead(OfFourLevels):
    part, parent = DyUPerHead, UPerHead
    upsamplers = [(32, 2)] * 3
    plain = dict(type='bilinear')

    @pytest.mark.parametrize(
        'options',
        [dict(align_corners=True), dict(norm_cfg=dict(type='BN')), arguments([32, 64], 32)],
        ids=str,
    )
    def test_the_default_is_the_parent_with(self, options):
        ours, parent = self.build_pair(**options)
        levels = self.levels((16, 40))[: len(options.get('in_channels', self.in_channels))]
        assert torch.equal(ours(levels), parent(levels))

    @pytest.mark.parametrize('rounding', ['up', 'down'])
    @pytest.mark.parametrize('size', [(17, 40), (33, 23)], ids=str)
    def test_it_is_the_parent_at_any_size(self, size, rounding):
        ours, parent = self.build_pair()
        levels = self.levels(size, rounding)
        assert torch.equal(ours(levels), parent(levels))

    def test_a_guide_is_the_finer_lateral(self, recorder):
        head, levels = self.build(dict(type=recorder)).eval(), self.levels((16, 24))
        head(levels)
        for i, upsampler in enumerate(head.upsample_modules):
            assert torch.equal(upsampler.guide, head.lateral_convs[i](levels[i]))


class TestDySegformerHead(OfFourLevels):
    part, parent = DySegformerHead, SegformerHead
    # several nearest steps are one, as several bilinear steps are not
    args = dict(OfFourLevels.args, interpolate_mode='nearest', align_corners=None)
    upsamplers = [(32, 2)] * 6

    @pytest.mark.parametrize('align_corners', [False, True])
    def test_two_levels_are_the_parents_one_resize(self, align_corners):
        options = arguments([32, 64], 32) | dict(
            interpolate_mode='bilinear', align_corners=align_corners
        )
        ours, parent = self.build_pair(**options)
        levels = self.levels((16, 40))[:2]
        assert torch.equal(ours(levels), parent(levels))

    @pytest.mark.parametrize('size', [(16, 40), (19, 27)], ids=str)
    def test_bilinear_steps_are_the_parent_on_even_maps(self, size):
        ours, parent = self.build_pair(interpolate_mode='bilinear', align_corners=False)
        levels = [x[..., :1, :1].expand_as(x) for x in self.levels(size, 'up')]
        torch.testing.assert_close(ours(levels), parent(levels))

    def test_a_guide_is_the_projection_of_the_level_reached(self, recorder):
        head, levels = self.build(dict(type=recorder)).eval(), self.levels((16, 24))
        head(levels)
        assert [len(steps) for steps in head.upsample_modules] == [0, 1, 2, 3]
        for i, steps in enumerate(head.upsample_modules):
            for k, upsampler in enumerate(steps):
                reached = i - 1 - k
                assert torch.equal(upsampler.guide, head.convs[reached](levels[reached]))


def test_the_head_of_segformers_own_code():
    """By a state with its names: linear layers alone, the coarsest level first."""
    channels, embed, classes = [8, 12, 16, 20], 32, 3
    head = DySegformerHead(
        **arguments(channels, embed) | dict(num_classes=classes, norm_cfg=dict(type='BN')),
        linear_projections=True,
        upsample_cfg=dict(type='nearest'),
    )
    state = {
        f'linear_c{i + 1}.proj.{kind}': torch.randn(*shape)
        for i, c in enumerate(channels)
        for kind, shape in dict(weight=(embed, c), bias=(embed,)).items()
    }
    state['linear_fuse.conv.weight'] = torch.randn(embed, 4 * embed, 1, 1)
    for kind in ('weight', 'bias', 'running_mean', 'running_var'):
        state[f'linear_fuse.bn.{kind}'] = torch.rand(embed) + 0.5
    state['linear_pred.weight'] = torch.randn(classes, embed, 1, 1)
    state['linear_pred.bias'] = torch.randn(classes)
    unused = dict(weight=torch.zeros(classes, embed, 1, 1), bias=torch.zeros(classes))
    state |= {f'conv_seg.{kind}': value for kind, value in unused.items()}
    missing, unexpected = head.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {'fusion_conv.bn.num_batches_tracked'}

    levels = [torch.randn(2, c, 16 // 2**i, 8 // 2**i) for i, c in enumerate(channels)]
    projected = []
    for i in (4, 3, 2, 1):
        weight, bias = (state[f'linear_c{i}.proj.{kind}'] for kind in ('weight', 'bias'))
        level = torch.einsum('dc,nchw->ndhw', weight, levels[i - 1]) + bias[:, None, None]
        projected.append(F.interpolate(level, (16, 8), mode='nearest'))
    bn = {name: state[f'linear_fuse.bn.{name}'] for name in ('running_mean', 'running_var')}
    fused = F.batch_norm(
        F.conv2d(torch.cat(projected, 1), state['linear_fuse.conv.weight']),
        weight=state['linear_fuse.bn.weight'],
        bias=state['linear_fuse.bn.bias'],
        **bn,
    ).relu()
    expected = F.conv2d(fused, state['linear_pred.weight'], state['linear_pred.bias'])
    torch.testing.assert_close(head.eval()(levels), expected, rtol=1e-4, atol=1e-3)
    # mmseg's head has no such names
    with pytest.raises(RuntimeError, match='Unexpected key'):
        DySegformerHead(**arguments(channels, embed)).load_state_dict(state)


@pytest.mark.parametrize(
    ('head', 'count', 'channels'),
    [(DySegformerHead, 6, 256), (DyUPerHead, 3, 512), (DyFPNHead, 6, 128)],
)
def test_parameters_are_the_papers(head, count, channels):
    def size(upsample_cfg):
        strides = dict(feature_strides=[4, 8, 16, 32]) if head is DyFPNHead else {}
        with torch.device('meta'):
            model = head(
                **arguments([channels] * 4, channels), **strides, upsample_cfg=upsample_cfg
            )
        return sum(parameter.numel() for parameter in model.parameters())

    def conv(k, c_in, c_out, bias=True):
        return k**2 * c_in * c_out + bias * c_out

    c, bare = channels, size(dict(type='nearest'))
    published = dict(
        carafe=74148, dlu=35489, fade=47514, sapa=17472, deconv=590080, pixel_shuffle=2360320
    )
    own = dict(
        carafe=conv(1, c, 64) + conv(3, 64, 100),
        dlu=conv(1, c, 64) + conv(3, 64, 25) + conv(3, 64, 8),
        fade=conv(1, c, 64) + conv(1, c, 64, bias=False) + conv(3, 64, 25) + conv(1, c, 1),
        sapa=2 * (2 * c + conv(1, c, 32)),
        dysample=conv(1, c, 32),
        dysample_s_plus=conv(1, c // 4, 16) + conv(1, c // 4, 16, bias=False),
        deconv=conv(3, c, c),
        pixel_shuffle=conv(3, c, 4 * c),
    )
    cfgs = list_upsamplers() | {name: dict(type=name) for name in ('deconv', 'pixel_shuffle')}
    for name, expected in own.items():
        assert channels != 256 or expected == published.get(name, expected)
        assert size(cfgs[name]) - bare == count * expected, name


@pytest.mark.parametrize('name', ['DyFPN', 'DyFPNHead', 'DySegformerHead', 'DyUPerHead'])
def test_a_config_finds_every_part_by_its_name(name):
    from mmdyup import pyramid, seg

    part = MODELS.get(name)
    assert part is getattr(seg, name) and issubclass(part, pyramid.DynamicPart)
