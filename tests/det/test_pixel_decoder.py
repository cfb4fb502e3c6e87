"""The pixel decoders of MaskFormer and Mask2Former."""

import pytest
import torch
from mmengine.config import ConfigDict

pytest.importorskip('mmdet')
from mmdet.models.layers import MSDeformAttnPixelDecoder, PixelDecoder  # noqa: E402

from mmdyup.det import DyMSDeformAttnPixelDecoder, DyPixelDecoder  # noqa: E402
from mmdyup.testing import NeckContract  # noqa: E402


class TestDyPixelDecoder(NeckContract):
    part, parent = DyPixelDecoder, PixelDecoder
    args = dict(in_channels=[32, 64, 32, 64], feat_channels=64, out_channels=32)
    in_channels = [32, 64, 32, 64]
    upsamplers = [(64, 2)] * 3
    is_head = True

    def outputs(self, part, levels):
        mask_feature, memory = part(levels, [])
        assert memory is levels[-1]
        return [mask_feature]

    @pytest.mark.parametrize(
        'size, rounding', [((37, 61), 'up'), ((9, 1), 'up'), ((37, 61), 'down'), ((31, 15), 'down')]
    )
    def test_nearest_is_the_parent_at_any_size(self, size, rounding):
        self.assert_same(self.build(), self.parent(**self.args), self.levels(size, rounding))

    def test_a_guide_is_the_finer_lateral(self, guide_teller):
        decoder, levels = self.build(dict(type=guide_teller)).eval(), self.levels((16, 24))
        x = levels[-1]
        for lateral, output, level in zip(
            decoder.lateral_convs[::-1], decoder.output_convs[::-1], levels[-2::-1], strict=True
        ):
            x = output(2 * lateral(level))
        assert torch.equal(decoder(levels)[0], decoder.mask_feature(x))


class TestDyMSDeformAttnPixelDecoder(NeckContract):
    part, parent = DyMSDeformAttnPixelDecoder, MSDeformAttnPixelDecoder
    args = dict(
        in_channels=[32, 64, 32, 64],
        feat_channels=64,
        out_channels=32,
        encoder=ConfigDict(
            num_layers=1,
            layer_cfg=dict(
                self_attn_cfg=dict(
                    embed_dims=64,
                    num_heads=2,
                    num_levels=3,
                    num_points=2,
                    dropout=0.0,
                    batch_first=True,
                ),
                ffn_cfg=dict(embed_dims=64, feedforward_channels=64, ffn_drop=0.0),
            ),
        ),
        positional_encoding=dict(num_feats=32, normalize=True),
    )
    in_channels = [32, 64, 32, 64]
    upsamplers = [(64, 2)]
    is_head = True
    plain = dict(type='bilinear')
    # the coarser levels only meet in attention, which takes any size
    test_levels_that_are_not_2_times_apart = None

    def outputs(self, part, levels):
        return [part(levels)[0]]

    def test_the_levels_are_the_parents(self):
        parent, ours = self.parent(**self.args), self.build()
        parent.init_weights()
        ours.load_state_dict(parent.state_dict(), strict=True)
        levels = self.levels((32, 48))
        for num_outs in (2, 3, 4):
            parent.num_outs = ours.num_outs = num_outs
            pairs = zip(ours(levels)[1], parent(levels)[1], strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)

    def test_two_levels_outside_the_attention(self):
        options = dict(in_channels=[64] * 5, strides=[2, 4, 8, 16, 32])
        parent, ours = self.parent(**{**self.args, **options}), self.build(**options)
        levels = [torch.randn(2, 64, 64 // s, 96 // s) for s in options['strides']]
        self.assert_same(ours, parent, levels)
        assert len(ours.upsample_modules) == 2

    def test_the_finest_level_is_twice_the_next(self):
        finest, *others = self.levels((16, 24))
        with pytest.raises(ValueError, match='are not 2 times apart'):
            self.build()((torch.cat([finest, finest], -1), *others))
