"""Semantic FPN's neck and head."""

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmseg')
from mmseg.models.decode_heads import FPNHead  # noqa: E402
from mmseg.models.necks import FPN  # noqa: E402

from mmdyup.seg import DyFPN, DyFPNHead  # noqa: E402
from mmdyup.testing import NeckContract  # noqa: E402


class TestDyFPN(NeckContract):
    part, parent = DyFPN, FPN
    args = dict(in_channels=[8, 16, 32], out_channels=32, num_outs=4)
    in_channels = [8, 16, 32]
    upsamplers = [(32, 2)] * 2

    @pytest.mark.parametrize(
        ('options', 'size', 'rounding'),
        [
            (dict(num_outs=3), (37, 61), 'up'),
            (dict(num_outs=2, start_level=1), (45, 59), 'down'),
            (dict(num_outs=2, end_level=2), (9, 1), 'up'),
            (dict(num_outs=5, add_extra_convs=True), (37, 61), 'up'),
            (dict(add_extra_convs='on_input', norm_cfg=dict(type='BN')), (32, 48), 'up'),
            (
                dict(add_extra_convs='on_lateral', num_outs=5, relu_before_extra_convs=True),
                (45, 59),
                'down',
            ),
        ],
        ids=str,
    )
    def test_nearest_is_the_parent_with(self, options, size, rounding):
        parent = self.parent(**self.args | options)
        self.assert_same(self.build(**options), parent, self.levels(size, rounding))


class TestDyFPNHead(NeckContract):
    part, parent = DyFPNHead, FPNHead
    args = dict(
        in_channels=[32, 64, 32, 64],
        in_index=[0, 1, 2, 3],
        feature_strides=[4, 8, 16, 32],
        channels=32,
        num_classes=5,
        dropout_ratio=0,
    )
    in_channels = [32, 64, 32, 64]
    upsamplers = [(32, 2)] * 6
    is_head = True
    plain = dict(type='bilinear')

    @pytest.mark.parametrize(
        'options', [dict(align_corners=True), dict(norm_cfg=dict(type='BN'))], ids=str
    )
    def test_the_default_is_the_parent_with(self, options):
        parent = self.parent(**self.args | options)
        self.assert_same(self.build(**options), parent, self.levels((16, 40)))

    def test_two_levels(self):
        two = {key: self.args[key][:2] for key in ('in_channels', 'in_index', 'feature_strides')}
        parent = self.parent(**self.args | two)
        self.assert_same(self.build(**two), parent, self.levels((16, 40))[:2])

    @pytest.mark.parametrize('size', [(17, 40), (33, 23)], ids=str)
    def test_odd_steps_are_fitted(self, size):
        def fitted(x, size):
            return F.interpolate(x, size, mode='bilinear', align_corners=False)

        ours, parent = self.build().eval(), self.parent(**self.args).eval()
        ours.load_state_dict(parent.state_dict(), strict=True)
        p2, p3, p4, p5 = levels = self.levels(size, 'up')
        (a,), (b, _), (c, _, d, _), (e, _, f, _, g, _) = parent.scale_heads
        s2, s3, s4 = (x.shape[-2:] for x in (p2, p3, p4))
        expected = (
            a(p2)
            + fitted(b(p3), s2)
            + fitted(d(fitted(c(p4), s3)), s2)
            + fitted(g(fitted(f(fitted(e(p5), s4)), s3)), s2)
        )
        assert torch.equal(ours(levels), parent.cls_seg(expected))

    def test_sizes_rounded_down_are_fitted(self):
        (out,) = self.outputs(self.build(dict(type='DySample')), self.levels((21, 30), 'down'))
        assert out.shape == (2, 5, 21, 30)

    def test_a_guide_is_the_level_that_comes_in(self, recorder):
        head, levels = self.build(dict(type=recorder)), self.levels((16, 24))
        head(levels)
        assert [len(steps) for steps in head.upsample_modules] == [0, 1, 2, 3]
        for i, steps in enumerate(head.upsample_modules):
            for k, upsampler in enumerate(steps):
                assert upsampler.guide_channels == self.in_channels[i - 1 - k]
                assert torch.equal(upsampler.guide, levels[i - 1 - k])

    def test_strides_that_leave_a_level_out(self):
        with pytest.raises(ValueError, match=r'must double.*\[4, 8, 32\]'):
            self.build(feature_strides=[4, 8, 32])
