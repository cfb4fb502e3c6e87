import torch
from mmseg.models.decode_heads import SegformerHead
from mmseg.registry import MODELS
from torch import Tensor

from ..pyramid import build_steps
from ..upsamplers import upsample_to


@MODELS.register_module()
class DySegformerHead(SegformerHead):
    r"""mmseg's SegformerHead with any upsampler, in steps of 2× as in the papers.

    The parent resizes each projected level to the finest in one go; here a level takes a step of
    its own for every finer level, six in all, each guided by the projection E of the level that
    it reaches::

        C5 ── conv ── E5 ──[3][0]── 1/16 ──[3][1]── 1/8 ──[3][2]── 1/4 ──┐
        C4 ── conv ── E4 ─────────────────[2][0]── 1/8 ──[2][1]── 1/4 ──┤
        C3 ── conv ── E3 ────────────────────────────────[1][0]── 1/4 ──┼── fusion_conv ── cls
        C2 ── conv ── E2 ────────────────────────────────────────────────┘

        [i][k] is upsample_modules[i][k]

    It takes the state of ``SegformerHead`` where the upsampler has no parameters. Several
    bilinear steps are a little smoother than the parent's one. Levels may have any size: a
    step's result is fitted to the level that it reaches.

    Args:
        upsample_cfg: The upsampler of every step; see
            :func:`mmdyup.upsamplers.build_upsampler`. The parent's ``interpolate_mode`` and
            ``align_corners`` unless given.
        **kwargs: Those of ``mmseg.models.decode_heads.SegformerHead``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def __init__(self, *, upsample_cfg: dict | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.upsample_cfg = upsample_cfg or dict(
            type=self.interpolate_mode, align_corners=self.align_corners
        )
        self.upsample_modules = build_steps(
            self.upsample_cfg, self.channels, [self.channels] * len(self.convs)
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Backbone features, finest first, to logits (N, out_channels, H, W) at the finest."""
        levels = [
            conv(x) for conv, x in zip(self.convs, self._transform_inputs(inputs), strict=True)
        ]
        upsampled = []
        for i, x in enumerate(levels):
            for upsampler, fine in zip(self.upsample_modules[i], levels[:i][::-1], strict=True):
                x = upsample_to(upsampler, x, fine)
            upsampled.append(x)
        return self.cls_seg(self.fusion_conv(torch.cat(upsampled, dim=1)))
