"""The pixel decoders of MaskFormer and Mask2Former."""

from types import SimpleNamespace

from mmdet.models.layers import (
    MSDeformAttnPixelDecoder,
    PixelDecoder,
    TransformerEncoderPixelDecoder,
)
from mmdet.registry import MODELS
from torch import Tensor, nn

from ..pyramid import (
    DynamicInterpolation,
    DynamicPart,
    Restarted,
    Step,
    build_top_down,
    check_num_levels,
)


@MODELS.register_module()
class DyPixelDecoder(Restarted, DynamicPart, PixelDecoder):
    r"""mmdet's PixelDecoder, the one of MaskFormer, with any upsampler in its top-down path.

    ::

        C5 ── 3×3 ─────────── M5
                               │ upsample_modules[2]
        C4 ── lateral ─────── (+) ── output conv ── M4
                               ┌────────────────────┘
                               │ upsample_modules[1]
        C3 ── lateral ─────── (+) ── output conv ── M3
                               ┌────────────────────┘
                               │ upsample_modules[0]
        C2 ── lateral ─────── (+) ── output conv ── M2 ── mask feature

    With ``dict(type='nearest')`` it takes the state of mmdet's ``PixelDecoder`` and gives its
    output. Levels may have any size: an upsampled level is fitted to the finer one.

    A config names it by :class:`DyMaskFormerHead`, whose parent treats a ``PixelDecoder`` in
    another way than whatever derives from it.

    Args:
        *args: Those of ``mmdet.models.layers.PixelDecoder``.
        upsample_cfg: The upsampler between two levels; see :class:`DynamicPart`.
        **kwargs: Those of ``mmdet.models.layers.PixelDecoder``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def add_upsamplers(self) -> None:
        self.upsample_modules = build_top_down(
            self.upsample_cfg, self.mask_feature.in_channels, self.num_inputs
        )

    def forward(
        self, feats: tuple[Tensor, ...], batch_img_metas: list[dict] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Backbone features, finest first, to the mask feature, (N, out_channels, H, W) at the
        finest, and the coarsest feature as it is."""
        check_num_levels(feats, self.num_inputs)
        x = self.last_feat_conv(feats[-1])
        for i in range(self.num_inputs - 2, -1, -1):
            x, fine = self.upsample_modules[i].meet(x, self.lateral_convs[i](feats[i]))
            x = self.output_convs[i](fine + x)
        return self.mask_feature(x), feats[-1]


@MODELS.register_module()
class DyTransformerEncoderPixelDecoder(DynamicInterpolation, TransformerEncoderPixelDecoder):
    """mmdet's TransformerEncoderPixelDecoder, whose coarsest level a transformer encodes, with any
    upsampler in its top-down path.

    That path is the one of :class:`DyPixelDecoder`, and a config names it as that one. With
    ``dict(type='nearest')`` it takes the state of mmdet's ``TransformerEncoderPixelDecoder`` and
    gives its output.

    Args:
        *args: Those of ``mmdet.models.layers.TransformerEncoderPixelDecoder``.
        upsample_cfg: The upsampler between two levels; see :class:`DynamicPart`.
        **kwargs: Those of ``mmdet.models.layers.TransformerEncoderPixelDecoder``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    own = dict(type='nearest')

    def steps(self) -> list[Step]:
        c = self.mask_feature.in_channels
        return [Step(c, 2, c)] * (self.num_inputs - 1)

    def calls(self, *inputs) -> list[int | None]:
        # the mask of what was padded is resized first
        return [None, *super().calls(*inputs)]


@MODELS.register_module()
class DyMSDeformAttnPixelDecoder(Restarted, DynamicPart, MSDeformAttnPixelDecoder):
    r"""mmdet's MSDeformAttnPixelDecoder, the one of Mask2Former, with any upsampler in it.

    The levels that deformable attention does not see are reached as in an FPN, C2 alone as a
    rule::

        C5, C4, C3 ── deformable attention ── M5, M4, M3
                                                      │ upsample_modules[0]
        C2 ── lateral ────────────────────────────── (+) ── output conv ── M2 ── mask feature

    With ``dict(type='bilinear')`` it takes the state of mmdet's ``MSDeformAttnPixelDecoder`` and
    gives its output. Levels may have any size: an upsampled level is fitted to the finer one.

    Args:
        *args: Those of ``mmdet.models.layers.MSDeformAttnPixelDecoder``.
        upsample_cfg: The upsampler of every such step; see :class:`DynamicPart`. Bilinear unless
            given.
        **kwargs: Those of ``mmdet.models.layers.MSDeformAttnPixelDecoder``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def default_upsample_cfg(self) -> dict:
        return dict(type='bilinear')

    def add_upsamplers(self) -> None:
        self.upsample_modules = build_top_down(
            self.upsample_cfg, self.mask_feature.in_channels, len(self.lateral_convs) + 1
        )

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
        """Backbone features, finest first, to the mask feature, (N, out_channels, H, W) at the
        finest, and the first ``num_outs`` levels, the coarsest first."""
        check_num_levels(feats, self.num_input_levels)
        outs = self._encode(feats[-self.num_encoder_levels :])
        for i in range(len(self.lateral_convs) - 1, -1, -1):
            x, fine = self.upsample_modules[i].meet(outs[-1], self.lateral_convs[i](feats[i]))
            outs.append(self.output_convs[i](fine + x))
        return self.mask_feature(outs[-1]), outs[: self.num_outs]

    def _encode(self, feats: tuple[Tensor, ...]) -> list[Tensor]:
        """The parent's ``forward`` for what the encoder sees: it has no FPN-like step there."""
        n = self.num_encoder_levels
        parts = ('input_convs', 'postional_encoding', 'level_encoding', 'encoder')
        encoder = SimpleNamespace(
            num_input_levels=n,
            num_encoder_levels=n,
            num_outs=n,
            strides=self.strides[-n:],
            point_generator=type(self.point_generator)(self.strides[-n:]),
            mask_feature=nn.Identity(),
            **{name: getattr(self, name) for name in parts},
        )
        return MSDeformAttnPixelDecoder.forward(encoder, feats)[1]
