"""Backbones of mmseg's that upsample: U-Net, HRNet and the real-time ones."""

from math import prod

import torch
from mmseg.models.backbones import (
    BiSeNetV1,
    BiSeNetV2,
    DDRNet,
    ERFNet,
    FastSCNN,
    HRNet,
    PIDNet,
    STDCContextPathNet,
    UNet,
)
from mmseg.models.backbones.hrnet import HRModule
from mmseg.models.utils import UpConvBlock
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..pyramid import (
    DynamicDeconv,
    DynamicHRModule,
    DynamicHRNet,
    DynamicInterpolation,
    DynamicPart,
    Restarted,
    Step,
)
from ..upsamplers import build_upsampler

# what mmseg registers as a U-Net's own step
_PARENTS_OWN = ('InterpConv', 'DeconvModule')


class DyUpConvBlock(DynamicPart, UpConvBlock):
    """A step of U-Net's, with any upsampler before its convolution; the skip is its guide."""

    def add_upsamplers(self) -> None:
        interpolation, conv = self.upsample.interp_upsample
        self.upsample_module = build_upsampler(
            self.upsample_cfg,
            conv.in_channels,
            int(interpolation.scale_factor),
            guide_channels=conv.out_channels,
        )
        # holds the place of the parent's: the convolution keeps its name
        self.upsample.interp_upsample[0] = nn.Identity()

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """(N, C, H, W) and what it joins, (N, C', 2H, 2W), to the latter's shape."""
        x, skip = self.upsample_module.meet(x, skip)
        return self.conv_block(torch.cat([skip, self.upsample(x)], dim=1))


@MODELS.register_module()
class DyUNet(Restarted, DynamicPart, UNet):
    r"""mmseg's UNet with any upsampler in its decoder.

    ::

        x ── convs ──────────────────────────────────────────────── (cat) convs ── out
              │ /2                                                    │ 2×, 1×1
              └── convs ── ... ────────────────── (cat) convs ── ... ─┘
                            │ /2                    │ 2×, 1×1
                            └── convs ──────────────┘

    A step is guided by the feature that it joins, which has half its channels: the 1×1
    convolution of mmseg's ``InterpConv``, which stays, brings them down. With
    ``dict(type='bilinear')`` it takes the state of an ``UNet`` of ``InterpConv`` and gives its
    output; without an ``upsample_cfg``, or with 'InterpConv' or 'DeconvModule' in it, it is the
    parent.

    Args:
        *args: Those of ``mmseg.models.backbones.UNet``.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of ``mmseg.models.backbones.UNet``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler.
    """

    def __init__(self, *args, upsample_cfg: dict | None = None, **kwargs) -> None:
        if isinstance(upsample_cfg, dict) and upsample_cfg.get('type') in _PARENTS_OWN:
            self.parent_options = dict(upsample_cfg=upsample_cfg)
            upsample_cfg = None
        super().__init__(*args, upsample_cfg=upsample_cfg, **kwargs)

    def default_upsample_cfg(self) -> None:
        return None

    def add_upsamplers(self) -> None:
        for block in self.decoder:
            if hasattr(block.upsample, 'interp_upsample'):
                DyUpConvBlock.adopt(block, self.upsample_cfg)


class DyHRModule(DynamicHRModule, HRModule):
    """mmseg's HRModule with any upsampler in it."""

    def calls(self, x: list[Tensor]) -> list[int | None]:
        # the parent resizes what its layer has upsampled to the size that it has by then
        return [k for step in super().calls(x) for k in (step, None)]


@MODELS.register_module()
class DyHRNet(DynamicHRNet, HRNet):
    """mmseg's HRNet with any upsampler between its branches; see :class:`DynamicHRNet`."""

    hr_module = DyHRModule


@MODELS.register_module()
class DyBiSeNetV1(DynamicInterpolation, BiSeNetV1):
    """mmseg's BiSeNetV1 with any upsampler in the two steps of its context path.

    A step is guided by the feature of the level that it reaches; see
    :class:`DynamicInterpolation`. It takes the arguments of ``mmseg.models.backbones.BiSeNetV1``
    and ``upsample_cfg``. With ``dict(type='nearest')`` it takes the parent's state and gives its
    output.
    """

    own = dict(type='nearest')

    def steps(self) -> list[Step]:
        path = self.context_path
        channels = path.conv_head16.in_channels
        return [Step(channels, 2, path.arm16.conv_layer.in_channels), Step(channels, 2, channels)]


@MODELS.register_module()
class DyBiSeNetV2(DynamicInterpolation, BiSeNetV2):
    """mmseg's BiSeNetV2 with any upsampler in the two 4× steps of its aggregation.

    A step is guided by the detail that it is multiplied with or added to; see
    :class:`DynamicInterpolation`. It takes the arguments of ``mmseg.models.backbones.BiSeNetV2``
    and ``upsample_cfg``. With ``dict(type='bilinear')`` and the parent's ``align_corners`` it takes
    the parent's state and gives its output.
    """

    def steps(self) -> list[Step]:
        return [Step(self.bga_channels, 4, self.bga_channels)] * 2


@MODELS.register_module()
class DySTDCContextPathNet(DynamicInterpolation, STDCContextPathNet):
    """mmseg's STDCContextPathNet with any upsampler in the two steps of its context path.

    A step is guided by the backbone's feature of the level that it reaches; see
    :class:`DynamicInterpolation`. It takes the arguments of
    ``mmseg.models.backbones.STDCContextPathNet`` and ``upsample_cfg``. With the parent's
    ``upsample_mode`` as its type it takes the parent's state and gives its output.
    """

    def default_upsample_cfg(self) -> dict:
        return dict(type=self.upsample_mode, align_corners=self.align_corners)

    def steps(self) -> list[Step]:
        channels = self.conv_avg.out_channels
        finer = [arm.conv_layer.in_channels for arm in self.arms[1:]]
        finer.append(self.ffm.conv0.in_channels - channels)
        return [Step(channels, 2, c) for c in finer]

    def calls(self, x: Tensor) -> list[int | None]:
        # the mean of the picture is spread out first
        return [None, *super().calls(x)]


@MODELS.register_module()
class DyFastSCNN(DynamicInterpolation, FastSCNN):
    """mmseg's FastSCNN with any upsampler before its fusion.

    The step, 4× as a rule, is guided by the feature of higher resolution; see
    :class:`DynamicInterpolation`. It takes the arguments of ``mmseg.models.backbones.FastSCNN`` and
    ``upsample_cfg``. With ``dict(type='bilinear')`` and the parent's ``align_corners`` it takes the
    parent's state and gives its output.
    """

    def steps(self) -> list[Step]:
        ratio = prod(self.global_block_strides)
        return [Step(self.lower_in_channels, ratio, self.higher_in_channels)]

    def calls(self, x: Tensor) -> list[int | None]:
        # pooled maps are spread out first
        return [None] * len(self.global_feature_extractor.ppm) + [0]


@MODELS.register_module()
class DyDDRNet(DynamicInterpolation, DDRNet):
    """mmseg's DDRNet with any unguided upsampler from its context to its spatial branch.

    The three steps are of ratio 2, 4 and 8; see :class:`DynamicInterpolation`. It takes the
    arguments of ``mmseg.models.backbones.DDRNet`` and ``upsample_cfg``. With
    ``dict(type='bilinear')`` and the parent's ``align_corners`` it takes the parent's state and
    gives its output.
    """

    def steps(self) -> list[Step]:
        channels = self.compression_1.out_channels
        return [Step(channels, 2), Step(channels, 4), Step(2 * channels, 8)]

    def calls(self, x: Tensor) -> list[int | None]:
        return [0, 1, *[None] * (self.spp.num_scales - 1), 2]


@MODELS.register_module()
class DyPIDNet(DynamicInterpolation, PIDNet):
    """mmseg's PIDNet with any unguided upsampler from its integral branch to the others.

    Two gates and two differences take what they receive up by 2 and by 4, the last step is of ratio
    8; see :class:`DynamicInterpolation`. It takes the arguments of
    ``mmseg.models.backbones.PIDNet`` and ``upsample_cfg``. With ``dict(type='bilinear')`` and the
    parent's ``align_corners`` it takes the parent's state and gives its output.
    """

    def steps(self) -> list[Step]:
        steps = []
        for ratio, pag, diff in ((2, self.pag_1, self.diff_1), (4, self.pag_2, self.diff_2)):
            gate = pag.f_i
            channels = (gate.out_channels, gate.in_channels, diff.out_channels)
            steps += [Step(c, ratio) for c in channels]
        return [*steps, Step(2 * self.pag_1.f_i.in_channels, 8)]

    def calls(self, x: Tensor) -> list[int | None]:
        *steps, last = super().calls(x)
        return [*steps, *[None] * (self.spp.num_scales - 1), last]


@MODELS.register_module()
class DyERFNet(DynamicDeconv, ERFNet):
    """mmseg's ERFNet with any unguided upsampler instead of its transposed convolutions; see
    :class:`DynamicDeconv`."""
