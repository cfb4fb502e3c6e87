import torch.nn.functional as F
from torch import Tensor

from .merging import build_top_down, check_num_levels, merge_top_down
from .part import DynamicPart


class DynamicFPN(DynamicPart):
    r"""Base that stands before an FPN of mmdet's or mmseg's and makes it take any upsampler.

    ::

        C5 ── lateral ── M5 ─────────────── fpn conv ── P5 ── extra levels
                          │ upsample_modules[2]
        C4 ── lateral ── (+) M4 ─────────── fpn conv ── P4
                          │ upsample_modules[1]
        C3 ── lateral ── (+) M3 ─────────── fpn conv ── P3
                          │ upsample_modules[0]
        C2 ── lateral ── (+) M2 ─────────── fpn conv ── P2

    With ``dict(type='nearest')`` it takes the state of that ``FPN`` and gives its output. Levels
    may have any size: an upsampled level is fitted to the finer one.

    Args:
        *args: Those of the ``FPN``.
        upsample_cfg: The upsampler between two levels; see :class:`DynamicPart`.
        **kwargs: Those of the ``FPN``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, two levels are not 2× apart, or there are
            more or fewer than ``in_channels`` has.
    """

    def add_upsamplers(self) -> None:
        self.upsample_modules = build_top_down(
            self.upsample_cfg, self.out_channels, len(self.lateral_convs)
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Backbone features, finest first, to ``num_outs`` levels of ``out_channels``."""
        check_num_levels(inputs, len(self.in_channels))
        levels = inputs[self.start_level : self.backbone_end_level]
        laterals = self._merge(
            [conv(x) for conv, x in zip(self.lateral_convs, levels, strict=True)]
        )
        outs = self._level_outs(laterals)
        return tuple(outs + self._extra_levels(inputs, laterals, outs))

    def _merge(self, laterals: list[Tensor]) -> list[Tensor]:
        return merge_top_down(laterals, self.upsample_modules)

    def _level_outs(self, laterals: list[Tensor]) -> list[Tensor]:
        # the fpn convs of the extra levels come after those of the laterals
        return [conv(x) for conv, x in zip(self.fpn_convs, laterals, strict=False)]

    def _extra_levels(
        self, inputs: tuple[Tensor, ...], laterals: list[Tensor], outs: list[Tensor]
    ) -> list[Tensor]:
        extra = []
        if not self.add_extra_convs:
            for _ in range(self.num_outs - len(outs)):
                extra.append(F.max_pool2d((outs + extra)[-1], 1, stride=2))
            return extra
        source = dict(
            on_input=inputs[self.backbone_end_level - 1],
            on_lateral=laterals[-1],
            on_output=outs[-1],
        )[self.add_extra_convs]
        for conv in self.fpn_convs[len(outs) :]:
            extra.append(conv(source))
            source = F.relu(extra[-1]) if self.relu_before_extra_convs else extra[-1]
        return extra
