"""Semantic FPN's neck and head."""

from itertools import pairwise

from mmseg.models.decode_heads import FPNHead
from mmseg.models.necks import FPN
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..pyramid import DynamicFPN, DynamicPart, build_steps, upsample_to_finest


@MODELS.register_module()
class DyFPN(DynamicFPN, FPN):
    """mmseg's FPN with any upsampler in its top-down path; see :class:`DynamicFPN`."""


@MODELS.register_module()
class DyFPNHead(DynamicPart, FPNHead):
    r"""mmseg's FPNHead (Semantic FPN) with any upsampler in its 2× steps.

    Every step is guided by the head's input P of the level that it reaches (FADE then needs
    ``gate=False``, unless the head has as many channels as P)::

        P5 ── conv ──[3][0]── conv ──[3][1]── conv ──[3][2]──┐
        P4 ────────────────── conv ──[2][0]── conv ──[2][1]──┤
        P3 ────────────────────────────────── conv ──[1][0]──┤
        P2 ────────────────────────────────── conv ─────────(+)── cls

        [i][k] is upsample_modules[i][k]

    An upsampler that changes the level that it reaches does so in turn, as in
    :class:`DySegformerHead`.

    With ``dict(type='bilinear')`` it takes the state of ``FPNHead`` and gives its output where
    every level is exactly twice the next. Levels may have any size: a step's result is fitted to
    the level that it reaches.

    Args:
        feature_strides: Strides of the levels, the finest first, each twice the one before.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`. Bilinear with the
            parent's ``align_corners`` unless given.
        **kwargs: Those of ``mmseg.models.decode_heads.FPNHead``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def __init__(self, feature_strides: list[int], **kwargs) -> None:
        if any(2 * a != b for a, b in pairwise(feature_strides)):
            raise ValueError(
                'feature_strides must double from level to level, the finest first, '
                f'but they are {list(feature_strides)}.'
            )
        super().__init__(feature_strides, **kwargs)

    def default_upsample_cfg(self) -> dict:
        return dict(type='bilinear', align_corners=self.align_corners)

    def add_upsamplers(self) -> None:
        self.upsample_modules = build_steps(self.upsample_cfg, self.channels, self.in_channels)
        for head in self.scale_heads:
            for i in range(1, len(head), 2):
                # holds the place of the parent's upsampling: the convolutions keep their names
                head[i] = nn.Identity()

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Pyramid features, finest first, to logits (N, out_channels, H, W) at the finest."""
        convs = [head[::2] for head in self.scale_heads]
        output, *others = upsample_to_finest(
            self._transform_inputs(inputs), self.upsample_modules, convs
        )
        for x in others:
            output = output + x
        return self.cls_seg(output)
