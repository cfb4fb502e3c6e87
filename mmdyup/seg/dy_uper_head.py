import torch
from mmseg.models.decode_heads import UPerHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor

from ..pyramid import build_top_down, merge_top_down


@MODELS.register_module()
class DyUPerHead(UPerHead):
    r"""mmseg's UPerHead with any upsampler in its top-down path.

    ::

        C5 ── pyramid pooling ── M5 ─────────────────── resize ──┐
                                 │ upsample_modules[2]           │
        C4 ── lateral ───────── (+) M4 ──── fpn conv ── resize ──┤
                                 │ upsample_modules[1]           │
        C3 ── lateral ───────── (+) M3 ──── fpn conv ── resize ──┼── fpn_bottleneck ── cls
                                 │ upsample_modules[0]           │
        C2 ── lateral ───────── (+) M2 ──── fpn conv ────────────┘

    What the bottleneck gathers is resized as in the parent, bilinearly. With
    ``dict(type='bilinear')`` it takes the state of ``UPerHead`` and gives its output where every
    level is exactly twice the next. Levels may have any size: an upsampled level is fitted to
    the finer one.

    Args:
        upsample_cfg: The upsampler between two levels; see
            :func:`mmdyup.upsamplers.build_upsampler`. Bilinear with the parent's
            ``align_corners`` unless given.
        **kwargs: Those of ``mmseg.models.decode_heads.UPerHead``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def __init__(self, *, upsample_cfg: dict | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.upsample_cfg = upsample_cfg or dict(type='bilinear', align_corners=self.align_corners)
        self.upsample_modules = build_top_down(
            self.upsample_cfg, self.channels, len(self.in_channels)
        )

    def _forward_feature(self, inputs: tuple[Tensor, ...]) -> Tensor:
        inputs = self._transform_inputs(inputs)
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, inputs[:-1], strict=True)]
        *merged, coarsest = merge_top_down(
            [*laterals, self.psp_forward(inputs)], self.upsample_modules
        )
        finest, *others = [conv(x) for conv, x in zip(self.fpn_convs, merged, strict=True)]
        resized = [
            resize(x, size=finest.shape[-2:], mode='bilinear', align_corners=self.align_corners)
            for x in (*others, coarsest)
        ]
        return self.fpn_bottleneck(torch.cat((finest, *resized), dim=1))
