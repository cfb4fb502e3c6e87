from mmdet.models.necks import FPN, FPN_CARAFE, PAFPN
from mmdet.registry import MODELS
from torch import Tensor

from ..pyramid import (
    DynamicFPN,
    DynamicPart,
    Restarted,
    build_top_down,
    check_num_levels,
    merge_top_down,
)
from .downsampling import replace_downsampling


@MODELS.register_module()
class DyFPN(DynamicFPN, FPN):
    """mmdet's FPN with any upsampler in its top-down path; see :class:`DynamicFPN`."""


@MODELS.register_module()
class DyPAFPN(DyFPN, PAFPN):
    r"""mmdet's PAFPN with any upsampler in its top-down path.

    :class:`DyFPN`, whose levels then go up again from the finest, N2, to the coarsest::

        P4 ── (+) N4 ── pafpn conv ── out 4 ── extra levels
               │ 3×3, stride 2
        P3 ── (+) N3 ── pafpn conv ── out 3
               │ 3×3, stride 2
        P2 ──────────────── N2 ────── out 2

    With ``dict(type='nearest')`` it takes the state of mmdet's ``PAFPN`` and gives its output.
    Levels may have any size that was rounded up on its way down, as the parent rounds it: an
    upsampled level is fitted to the finer one.

    Args:
        *args: Those of ``mmdet.models.necks.PAFPN``.
        upsample_cfg: The upsampler between two levels; see :class:`DynamicPart`.
        downsample_cfg: The block in the place of each 3×3 convolution of stride 2; see
            :class:`DyYOLOXPAFPN`.
        **kwargs: Those of ``mmdet.models.necks.PAFPN``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, ``downsample_cfg`` no block, or two levels
            are not 2× apart.
    """

    def __init__(self, *args, downsample_cfg: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        channels = [self.out_channels] * len(self.downsample_convs)
        replace_downsampling(self.downsample_convs, downsample_cfg, channels)

    def _level_outs(self, laterals: list[Tensor]) -> list[Tensor]:
        outs = super()._level_outs(laterals)
        for i, conv in enumerate(self.downsample_convs):
            outs[i + 1] = outs[i + 1] + conv(outs[i])
        return outs[:1] + [conv(x) for conv, x in zip(self.pafpn_convs, outs[1:], strict=True)]


@MODELS.register_module()
class DyFPNCARAFE(Restarted, DynamicPart, FPN_CARAFE):
    r"""mmdet's FPN_CARAFE with any upsampler in its top-down path: the neck of both papers.

    Unlike FPN, its extra level comes from a strided convolution and joins the top-down path, so
    that five levels have four upsamplers::

        C5 ── 3×3, stride 2 ── M6 ────────── fpn conv ── P6
                                │ upsample_modules[3]
        C5 ── lateral ──────── (+) M5 ────── fpn conv ── P5
                                │ upsample_modules[2]
        C4 ── lateral ──────── (+) M4 ────── fpn conv ── P4
                                │ upsample_modules[1]
        C3 ── lateral ──────── (+) M3 ────── fpn conv ── P3
                                │ upsample_modules[0]
        C2 ── lateral ──────── (+) M2 ────── fpn conv ── P2

    With ``dict(type='nearest')`` it takes the state of mmdet's ``FPN_CARAFE`` and gives its
    output. With 'carafe', 'CARAFE', 'deconv' and 'pixel_shuffle' it takes the state of an
    ``FPN_CARAFE`` whose upsamplers have the same shapes. Levels may have any size: an upsampled
    level is fitted to the finer one.

    Args:
        *args: Those of ``mmdet.models.necks.FPN_CARAFE``.
        upsample_cfg: The upsampler between two levels; see :class:`DynamicPart`.
        **kwargs: Those of ``mmdet.models.necks.FPN_CARAFE``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    parent_options = dict(upsample_cfg=dict(type='nearest'))

    def add_upsamplers(self) -> None:
        self.upsample_modules = build_top_down(
            self.upsample_cfg, self.out_channels, len(self.lateral_convs)
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Backbone features, finest first, to ``num_outs`` levels of ``out_channels``."""
        check_num_levels(inputs, len(self.in_channels))
        laterals = []
        for level, conv in enumerate(self.lateral_convs, start=self.start_level):
            # the first extra level starts from the last feature, others from the level before
            source = inputs[min(level, len(inputs) - 1)]
            laterals.append(conv(source if level <= self.backbone_end_level else laterals[-1]))
        laterals = merge_top_down(laterals, self.upsample_modules)
        return tuple(conv(x) for conv, x in zip(self.fpn_convs, laterals, strict=True))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        # mmcv's layers are the parent's upsamplers, but the `layer` in our own
        for i, upsampler in enumerate(self.upsample_modules):
            start = f'{prefix}upsample_modules.{i}.'
            for name in upsampler.state_dict():
                bare = name.removeprefix('layer.')
                other = start + (f'layer.{bare}' if bare == name else bare)
                if start + name not in state_dict and other in state_dict:
                    state_dict[start + name] = state_dict.pop(other)
        super()._load_from_state_dict(state_dict, prefix, *args)
