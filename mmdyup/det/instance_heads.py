"""Heads of mmdet's that segment instances without regions."""

from mmdet.models.dense_heads import (
    BoxInstMaskHead,
    CondInstMaskHead,
    DecoupledSOLOHead,
    DecoupledSOLOLightHead,
    RTMDetInsHead,
    RTMDetInsSepBNHead,
    SOLOHead,
    SOLOV2Head,
    YOLACTProtonet,
)
from mmdet.models.dense_heads.condinst_head import MaskFeatModule
from mmdet.models.utils import aligned_bilinear
from mmdet.registry import MODELS
from torch import Tensor

from ..pyramid import DynamicInterpolation, DynamicPart, Step, UpsamplerList
from ..upsamplers import Upsampler, build_upsampler


class DynamicSOLO(DynamicInterpolation):
    """Base that stands before a SOLO head and makes it take any unguided upsampler.

    Its first upsampler takes the coarsest level to the size of the one before; the others take the
    features of the masks, of each level, to twice their size. The grids that classes are predicted
    on, and the masks themselves, are resized as in the parent. With ``dict(type='bilinear')`` it
    takes the parent's state and gives its output.

    Args:
        *args: Those of the parent.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of the parent.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or a guided one.
    """

    #: Features of masks that a level has.
    num_branches = 1

    def steps(self) -> list[Step]:
        masks = self.num_levels * self.num_branches
        return [Step(self.in_channels), *[Step(self.feat_channels)] * masks]

    def calls(self, x: tuple[Tensor, ...]) -> list[int | None]:
        # the finest level is halved first
        calls, n = [None, 0], self.num_branches
        for level in range(self.num_levels):
            calls += range(1 + level * n, 1 + (level + 1) * n)
            # the grid of the classes, and predicted masks
            calls += [None] if self.training else [None] * (1 + self._masks_resized)
        return calls

    @property
    def _masks_resized(self) -> int:
        return self.num_branches


@MODELS.register_module()
class DySOLOHead(DynamicSOLO, SOLOHead):
    """mmdet's SOLOHead with any unguided upsampler; see :class:`DynamicSOLO`."""


@MODELS.register_module()
class DyDecoupledSOLOHead(DynamicSOLO, DecoupledSOLOHead):
    """mmdet's DecoupledSOLOHead with any unguided upsampler; see :class:`DynamicSOLO`."""

    num_branches = 2


@MODELS.register_module()
class DyDecoupledSOLOLightHead(DynamicSOLO, DecoupledSOLOLightHead):
    """mmdet's DecoupledSOLOLightHead with any unguided upsampler; see :class:`DynamicSOLO`."""

    _masks_resized = 2


@MODELS.register_module()
class DySOLOV2Head(DynamicInterpolation, SOLOV2Head):
    r"""mmdet's SOLOV2Head with any upsampler in its mask features.

    ::

        P5 ── conv, 2× ── conv, 2× ── conv, 2× ──┐
        P4 ── conv, 2× ── conv, 2× ──────────────┤
        P3 ── conv, 2× ──────────────────────────┤
        P2 ── conv ──────────────────────────── (+) ── mask features

    A step is guided by the level that it reaches, and one more takes the coarsest level of the
    kernels to the size of the one before. With ``dict(type='bilinear')`` it takes the state of
    mmdet's ``SOLOV2Head`` and gives its output.

    Args:
        *args: Those of ``mmdet.models.dense_heads.SOLOV2Head``.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of ``mmdet.models.dense_heads.SOLOV2Head``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler.
    """

    def _reached(self) -> list[int]:
        head = self.mask_feature_head
        climbing = range(max(head.start_level, 1), head.end_level + 1)
        return [i - 1 - j for i in climbing for j in range(i)]

    def steps(self) -> list[Step]:
        climbing = Step(self.mask_feature_head.feat_channels, 2, self.in_channels)
        kernels = Step(self.in_channels, 2, self.in_channels)
        return [climbing] * len(self._reached()) + [kernels]

    def calls(self, x: tuple[Tensor, ...]) -> list[int | None]:
        *masks, kernels = range(len(self.upsample_modules))
        # the finest level is halved in between
        return [*masks, None, kernels]

    def guide(self, k: int, x: tuple[Tensor, ...]) -> Tensor:
        return x[[*self._reached(), len(x) - 2][k]]


class _AlignedBilinear(Upsampler):
    """CondInst's own interpolation, in which the corners of the pixels stay."""

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        return aligned_bilinear(x, self.scale_factor)


class DyMaskFeatModule(DynamicPart, MaskFeatModule):
    """CondInst's mask features, with any upsampler between a level and the finest one."""

    def add_upsamplers(self) -> None:
        self.upsample_modules = UpsamplerList(
            build_upsampler(self.upsample_cfg, self.feat_channels, 2**i)
            for i in range(1, self.end_level - self.start_level + 1)
        )

    def forward(self, x: tuple[Tensor, ...]) -> Tensor:
        """Levels, finest first, to (N, out_channels, H, W) at the finest."""
        finest, *coarser = (
            conv(level)
            for conv, level in zip(
                self.convs_all_levels, x[self.start_level : self.end_level + 1], strict=True
            )
        )
        for level, upsampler in zip(coarser, self.upsample_modules, strict=True):
            level, finest = upsampler.meet(level, finest)
            finest = finest + level
        return self.conv_pred(self.conv_branch(finest))


class DynamicCondInst(DynamicPart):
    """Base that stands before a mask head of CondInst's, with any upsampler in its mask features.

    Level i, counted from the finest, has one step of ratio 2^i, guided by the features of the
    finest level. Masks are resized as in the parent. Without an ``upsample_cfg`` it takes the
    parent's state and gives its output.

    Args:
        *args: Those of the parent.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of the parent.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler.
    """

    def default_upsample_cfg(self) -> dict:
        return dict(type=_AlignedBilinear)

    def add_upsamplers(self) -> None:
        DyMaskFeatModule.adopt(self.mask_feature_head, self.upsample_cfg)


@MODELS.register_module()
class DyCondInstMaskHead(DynamicCondInst, CondInstMaskHead):
    """mmdet's CondInstMaskHead with any upsampler; see :class:`DynamicCondInst`."""


@MODELS.register_module()
class DyBoxInstMaskHead(DynamicCondInst, BoxInstMaskHead):
    """mmdet's BoxInstMaskHead with any upsampler; see :class:`DynamicCondInst`."""


class DynamicRTMDetIns(DynamicInterpolation):
    """Base that stands before a head of RTMDet-Ins and makes it take any upsampler.

    Level i, counted from the finest, comes to the mask features by one step of ratio 2^i, guided by
    the finest level. With ``dict(type='bilinear')`` it takes the parent's state and gives its
    output.

    Args:
        *args: Those of the parent.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of the parent.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler.
    """

    def steps(self) -> list[Step]:
        c = self.in_channels
        return [Step(c, 2**i, c) for i in range(1, self.mask_head.num_levels)]

    def guide(self, k: int, feats: tuple[Tensor, ...]) -> Tensor:
        return feats[0]


@MODELS.register_module()
class DyRTMDetInsHead(DynamicRTMDetIns, RTMDetInsHead):
    """mmdet's RTMDetInsHead with any upsampler; see :class:`DynamicRTMDetIns`."""


@MODELS.register_module()
class DyRTMDetInsSepBNHead(DynamicRTMDetIns, RTMDetInsSepBNHead):
    """mmdet's RTMDetInsSepBNHead with any upsampler; see :class:`DynamicRTMDetIns`."""


@MODELS.register_module()
class DyYOLACTProtonet(DynamicInterpolation, YOLACTProtonet):
    """mmdet's YOLACTProtonet, which makes the prototypes of masks, with any unguided upsampler.

    With ``dict(type='bilinear')`` it takes the state of mmdet's ``YOLACTProtonet`` and gives its
    output.

    Args:
        *args: Those of ``mmdet.models.dense_heads.YOLACTProtonet``.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of ``mmdet.models.dense_heads.YOLACTProtonet``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or a guided one.
    """

    def steps(self) -> list[Step]:
        steps, channels = [], self.in_channels
        for c, kernel_size in zip(self.proto_channels, self.proto_kernel_sizes, strict=True):
            if c is None:
                steps.append(Step(channels, -kernel_size))
            channels = c or channels
        return steps
