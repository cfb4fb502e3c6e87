"""The mask heads of Mask R-CNN and of those that derive from it, and what stands beside them."""

import torch.nn.functional as F
from mmdet.models.roi_heads.mask_heads import (
    DynamicMaskHead,
    FCNMaskHead,
    FeatureRelayHead,
    FusedSemanticHead,
    GridHead,
    HTCMaskHead,
    SCNetMaskHead,
    SCNetSemanticHead,
)
from mmdet.registry import MODELS
from torch import Tensor

from ..pyramid import (
    DynamicDeconv,
    DynamicInterpolation,
    DynamicPart,
    Restarted,
    Step,
    UpsamplerList,
    effective_upsample_cfg,
    no_guide,
)
from ..upsamplers import build_upsampler, find_upsampler

# what mmdet's mask heads build themselves
_PARENTS_OWN = ('deconv', 'nearest', 'bilinear', 'carafe')


class DynamicRegionHead(Restarted, DynamicPart):
    r"""Base that stands before a mask head of mmdet's and makes it take any upsampler.

    ::

        region, 14×14 ── convs ── upsample ── conv_logits ── masks, 28×28

    'deconv', which is taken where there is no ``upsample_cfg``, 'nearest', 'bilinear' and 'carafe'
    (mmcv's own) are the parent's: with them it is the parent. With ``dict(type='CARAFE')`` it takes
    the state of a head that the parent built with 'carafe', such as that of mmdet's Mask R-CNN with
    CARAFE.

    Args:
        *args: Those of the parent.
        upsample_cfg: The upsampler, unguided; see :class:`DynamicPart`. As in the parent,
            ``scale_factor`` in it is the ratio, 2 unless given.
        **kwargs: Those of the parent.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or a guided one: a region has no finer
            feature.
    """

    def __init__(self, *args, upsample_cfg: dict | None = None, **kwargs) -> None:
        cfg = upsample_cfg
        self._scale_factor = 2
        if isinstance(cfg, dict):
            cfg = dict(cfg)
            self._scale_factor = cfg.pop('scale_factor', 2)
        cfg = effective_upsample_cfg(cfg, self.default_upsample_cfg())
        own = cfg if cfg['type'] in _PARENTS_OWN else dict(type='nearest')
        self.parent_options = dict(upsample_cfg=dict(own, scale_factor=self._scale_factor))
        super().__init__(*args, upsample_cfg=cfg, **kwargs)

    def default_upsample_cfg(self) -> dict:
        return dict(type='deconv')

    def add_upsamplers(self) -> None:
        if self.upsample_cfg['type'] in _PARENTS_OWN:
            return
        upsampler, _ = find_upsampler(self.upsample_cfg)
        if upsampler.guided:
            raise no_guide(type(self).__name__, upsampler)
        channels = self.conv_out_channels if self.num_convs > 0 else self.in_channels
        self.upsample = build_upsampler(self.upsample_cfg, channels, self._scale_factor)


@MODELS.register_module()
class DyFCNMaskHead(DynamicRegionHead, FCNMaskHead):
    """mmdet's FCNMaskHead, the mask head of Mask R-CNN, with any upsampler; see
    :class:`DynamicRegionHead`."""


@MODELS.register_module()
class DyHTCMaskHead(DynamicRegionHead, HTCMaskHead):
    """mmdet's HTCMaskHead, of Hybrid Task Cascade, with any upsampler; see
    :class:`DynamicRegionHead`."""


@MODELS.register_module()
class DySCNetMaskHead(DynamicRegionHead, SCNetMaskHead):
    """mmdet's SCNetMaskHead with any upsampler; see :class:`DynamicRegionHead`."""


@MODELS.register_module()
class DyDynamicMaskHead(DynamicRegionHead, DynamicMaskHead):
    """mmdet's DynamicMaskHead, of QueryInst, with any upsampler; see
    :class:`DynamicRegionHead`."""


@MODELS.register_module()
class DyGridHead(DynamicDeconv, GridHead):
    """mmdet's GridHead, of Grid R-CNN, with any unguided upsampler; see :class:`DynamicDeconv`.

    The first of its two transposed convolutions gives way; the second one predicts the heatmaps.
    """

    def deconvs(self) -> list[str]:
        return ['deconv1']


@MODELS.register_module()
class DyFeatureRelayHead(DynamicInterpolation, FeatureRelayHead):
    """mmdet's FeatureRelayHead, of SCNet, with any unguided upsampler.

    It takes the arguments of ``mmdet.models.roi_heads.mask_heads.FeatureRelayHead`` and
    ``upsample_cfg``; see :class:`DynamicInterpolation`. With
    ``dict(type='bilinear', align_corners=True)`` it takes the parent's state and gives its output.
    """

    own = dict(type='bilinear', align_corners=True)

    def steps(self) -> list[Step]:
        return [Step(self.out_conv_channels, self.scale_factor)]


class DynamicFusedSemantic(DynamicPart):
    """Base that stands before a FusedSemanticHead, with any upsampler to its level of fusion.

    A level that is 2^d times coarser comes to it by one step of that ratio, guided by what has been
    merged so far; finer ones are resized as in the parent. With
    ``dict(type='bilinear', align_corners=True)`` it takes the parent's state and gives its output.

    Args:
        *args: Those of the parent.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of the parent.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler.
    """

    def default_upsample_cfg(self) -> dict:
        return dict(type='bilinear', align_corners=True)

    def add_upsamplers(self) -> None:
        self.upsample_modules = UpsamplerList(
            build_upsampler(self.upsample_cfg, self.in_channels, 2**distance)
            for distance in range(1, self.num_ins - self.fusion_level)
        )

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Levels, finest first, to logits and an embedding at the level of fusion."""
        level = self.fusion_level
        x = self.lateral_convs[level](feats[level])
        for i, feat in enumerate(feats):
            if i < level:
                feat = F.interpolate(feat, x.shape[-2:], mode='bilinear', align_corners=True)
            elif i > level:
                feat, x = self.upsample_modules[i - level - 1].meet(feat, x)
            if i != level:
                x = x + self.lateral_convs[i](feat)
        for i in range(self.num_convs):
            x = self.convs[i](x)
        return self.conv_logits(x), self.conv_embedding(x)


@MODELS.register_module()
class DyFusedSemanticHead(DynamicFusedSemantic, FusedSemanticHead):
    """mmdet's FusedSemanticHead, of Hybrid Task Cascade, with any upsampler; see
    :class:`DynamicFusedSemantic`."""


@MODELS.register_module()
class DySCNetSemanticHead(DynamicFusedSemantic, SCNetSemanticHead):
    """mmdet's SCNetSemanticHead with any upsampler; see :class:`DynamicFusedSemantic`."""
