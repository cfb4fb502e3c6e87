import torch
from mmdet.models.necks import YOLOXPAFPN, CSPNeXtPAFPN
from mmdet.registry import MODELS
from torch import Tensor

from ..pyramid import DynamicPart, UpsamplerList, check_num_levels
from ..upsamplers import build_upsampler
from .downsampling import replace_downsampling


class DynamicCSPPAFPN(DynamicPart):
    """Base that stands before the path aggregation network of YOLOX or RTMDet.

    The parent builds all but the upsamplers: ``reduce_layers`` and ``top_down_blocks``, coarsest
    first, ``downsamples``, ``bottom_up_blocks`` and ``out_convs``, finest first.
    ``upsample_modules`` are finest first.
    """

    def __init__(self, *args, downsample_cfg: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        replace_downsampling(self.downsamples, downsample_cfg, self.in_channels[:-1])

    def add_upsamplers(self) -> None:
        del self.upsample
        self.upsample_modules = UpsamplerList(
            build_upsampler(self.upsample_cfg, channels) for channels in self.in_channels[:-1]
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Backbone features, finest first, to as many levels of ``out_channels``."""
        check_num_levels(inputs, len(self.in_channels))
        merged = self._top_down(inputs)
        outs = merged[:1]
        for x, downsample, block in zip(
            merged[1:], self.downsamples, self.bottom_up_blocks, strict=True
        ):
            outs.append(block(torch.cat((downsample(outs[-1]), x), 1)))
        return tuple(conv(x) for conv, x in zip(self.out_convs, outs, strict=True))

    def _top_down(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        merged = list(inputs)
        for i, reduce, block in zip(
            range(len(inputs) - 1, 0, -1), self.reduce_layers, self.top_down_blocks, strict=True
        ):
            merged[i] = reduce(merged[i])
            x, fine = self.upsample_modules[i - 1].meet(merged[i], inputs[i - 1])
            merged[i - 1] = block(torch.cat((x, fine), 1))
        return merged


@MODELS.register_module()
class DyYOLOXPAFPN(DynamicCSPPAFPN, YOLOXPAFPN):
    r"""mmdet's YOLOXPAFPN with any upsampler in its top-down path.

    ::

        C5 ── reduce ──────── M5 ───────────────── (cat) CSP ── out conv ── P5
                              │ upsample_modules[1]  │ 3×3, stride 2
        C4 ──────────── (cat) CSP ── reduce ── M4 (cat) CSP ─── out conv ── P4
                              ┌────────────────┘     │ 3×3, stride 2
                              │ upsample_modules[0]  │
        C3 ──────────── (cat) CSP ───────────────────┴───────── out conv ── P3

    The upsampler above C3 has the channels of C3, and so on. With ``dict(type='nearest')`` it
    takes the state of mmdet's ``YOLOXPAFPN`` and gives its output. Levels may have any size that
    was rounded up on its way down, not multiples of 32 alone: an upsampled level is fitted to the
    finer one.

    Args:
        *args: Those of ``mmdet.models.necks.YOLOXPAFPN``.
        upsample_cfg: The upsampler between two levels; see :class:`DynamicPart`. It stands in the
            place of the parent's argument for ``nn.Upsample``.
        downsample_cfg: The block in the place of each 3×3 convolution of stride 2, such as
            ``dict(type='SPDConv')``; None is the parent's own. With ``dict(type='HybridDown')``
            the parent's state fits, and the output is the parent's until beta is trained.
        **kwargs: Those of ``mmdet.models.necks.YOLOXPAFPN``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, ``downsample_cfg`` no block, or two levels
            are not 2× apart.
    """


@MODELS.register_module()
class DyCSPNeXtPAFPN(DynamicCSPPAFPN, CSPNeXtPAFPN):
    """mmdet's CSPNeXtPAFPN, the neck of RTMDet, with any upsampler in its top-down path.

    The structure of :class:`DyYOLOXPAFPN` with CSPNeXt blocks. It takes the arguments of
    ``mmdet.models.necks.CSPNeXtPAFPN`` and, as :class:`DyYOLOXPAFPN` does, ``upsample_cfg`` in the
    place of the parent's and ``downsample_cfg``; it raises what that raises. With
    ``dict(type='nearest')`` it takes the parent's state and gives its output.
    """
