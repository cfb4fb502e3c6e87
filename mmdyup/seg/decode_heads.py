"""Heads of mmseg's that upsample by one step, or by steps without a pyramid."""

from mmseg.models.decode_heads import (
    DepthwiseSeparableASPPHead,
    DPTHead,
    LightHamHead,
    LRASPPHead,
    SETRMLAHead,
    SETRUPHead,
)
from mmseg.models.decode_heads.dpt_head import FeatureFusionBlock
from mmseg.registry import MODELS
from torch import Tensor

from ..pyramid import DynamicInterpolation, DynamicPart, Restarted, Step, UpsamplerList
from ..upsamplers import build_upsampler


@MODELS.register_module()
class DyDepthwiseSeparableASPPHead(DynamicInterpolation, DepthwiseSeparableASPPHead):
    r"""mmseg's DepthwiseSeparableASPPHead, of DeepLabV3+, with any upsampler before its decoder.

    ::

        C5 ── ASPP ── bottleneck ──┐
                                   │ upsample_modules[0]
        C2 ── 1×1 ──────────────(cat) ── separable convs ── cls

    The step is guided by the projection of C2. Its ratio is that of the two strides: 2 over the
    backbones whose last levels are dilated to a stride of 8 ("d8"), 4 over those of 16 ("d16").
    With ``dict(type='bilinear')`` it takes the state of ``DepthwiseSeparableASPPHead`` and gives
    its output.

    Args:
        upsample_cfg: The upsampler; see :class:`DynamicPart`. Bilinear with the parent's
            ``align_corners`` unless given.
        scale_factor: The ratio of the step.
        **kwargs: Those of ``mmseg.models.decode_heads.DepthwiseSeparableASPPHead``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or the levels are not ``scale_factor``
            times apart.
    """

    hint = ' Or give the head their ratio as its scale_factor.'

    def __init__(self, *args, scale_factor: int = 2, **kwargs) -> None:
        self._scale_factor = scale_factor
        super().__init__(*args, **kwargs)

    def steps(self) -> list[Step]:
        if self.c1_bottleneck is None:
            return []
        return [Step(self.channels, self._scale_factor, self.c1_bottleneck.out_channels)]

    def calls(self, inputs: tuple[Tensor, ...]) -> list[int | None]:
        # the pooled picture is spread out first
        return [None, *super().calls(inputs)]


@MODELS.register_module()
class DyLRASPPHead(DynamicInterpolation, LRASPPHead):
    """mmseg's LRASPPHead, of MobileNetV3, with any upsampler to each of its finer levels.

    A step is of ratio 2, guided by the backbone's feature that it reaches; see
    :class:`DynamicInterpolation`. It takes the arguments of
    ``mmseg.models.decode_heads.LRASPPHead`` and ``upsample_cfg``. With ``dict(type='bilinear')``
    and the parent's ``align_corners`` it takes the parent's state and gives its output.
    """

    def steps(self) -> list[Step]:
        return [Step(self.channels, 2, c) for c in reversed(self.in_channels[:-1])]

    def calls(self, inputs: tuple[Tensor, ...]) -> list[int | None]:
        return [None, *super().calls(inputs)]

    def guide(self, k: int, inputs: tuple[Tensor, ...]) -> Tensor:
        return inputs[self.in_index[-2 - k]]


@MODELS.register_module()
class DyLightHamHead(DynamicPart, LightHamHead):
    """mmseg's LightHamHead, of SegNeXt, with any upsampler to its finest level.

    Level i, counted from the finest, has one step of ratio 2^i, guided by the finest one. With
    ``dict(type='bilinear')`` it takes the state of ``LightHamHead`` and gives its output.

    Args:
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`. Bilinear with the
            parent's ``align_corners`` unless given.
        **kwargs: Those of ``mmseg.models.decode_heads.LightHamHead``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or levels are not 2× apart.
    """

    def default_upsample_cfg(self) -> dict:
        return dict(type='bilinear', align_corners=self.align_corners)

    def add_upsamplers(self) -> None:
        finest, *coarser = self.in_channels
        self.upsample_modules = UpsamplerList(
            build_upsampler(self.upsample_cfg, c, 2**i, guide_channels=finest)
            for i, c in enumerate(coarser, start=1)
        )

    def _transform_inputs(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        # the parent then has nothing to resize
        finest, *coarser = super()._transform_inputs(inputs)
        met = []
        for x, upsampler in zip(coarser, self.upsample_modules, strict=True):
            x, finest = upsampler.meet(x, finest)
            met.append(x)
        return [finest, *met]


class DynamicSETR(DynamicInterpolation):
    """Base that stands before a head of SETR's and exchanges what follows its convolutions."""

    def steps(self) -> list[Step]:
        return [Step(conv.out_channels, int(up.scale_factor)) for *_, conv, up in self.up_convs]


@MODELS.register_module()
class DySETRUPHead(DynamicSETR, SETRUPHead):
    """mmseg's SETRUPHead with any unguided upsampler after each of its convolutions.

    A step is of the parent's ``up_scale``; see :class:`DynamicInterpolation`. It takes the
    arguments of ``mmseg.models.decode_heads.SETRUPHead`` and ``upsample_cfg``. With
    ``dict(type='bilinear')`` and the parent's ``align_corners`` it takes the parent's state and
    gives its output.
    """


@MODELS.register_module()
class DySETRMLAHead(DynamicSETR, SETRMLAHead):
    """mmseg's SETRMLAHead with any unguided upsampler in each of its branches.

    A step is of the parent's ``up_scale``; see :class:`DynamicInterpolation`. It takes the
    arguments of ``mmseg.models.decode_heads.SETRMLAHead`` and ``upsample_cfg``. With
    ``dict(type='bilinear')`` and the parent's ``align_corners`` it takes the parent's state and
    gives its output.
    """


class DyFeatureFusionBlock(DynamicInterpolation, FeatureFusionBlock):
    """A fusion of DPT's, with any unguided upsampler behind it."""

    def steps(self) -> list[Step]:
        return [Step(self.in_channels)]

    def calls(self, *inputs: Tensor) -> list[int | None]:
        # what joins it is resized first, where a size was rounded
        fits = len({x.shape for x in inputs}) == 1
        return [0] if fits else [None, 0]


@MODELS.register_module()
class DyDPTHead(Restarted, DynamicPart, DPTHead):
    """mmseg's DPTHead with any unguided upsampler behind each of its fusions.

    It takes the arguments of ``mmseg.models.decode_heads.DPTHead`` and ``upsample_cfg``. What
    reassembles the transformer's maps is as in the parent. With
    ``dict(type='bilinear', align_corners=True)`` it takes the parent's state and gives its output.
    """

    def default_upsample_cfg(self) -> dict:
        return dict(type='bilinear', align_corners=self.fusion_blocks[0].align_corners)

    def add_upsamplers(self) -> None:
        for block in self.fusion_blocks:
            DyFeatureFusionBlock.adopt(block, self.upsample_cfg)
