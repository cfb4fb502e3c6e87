"""Necks of mmdet's that are no plain FPN."""

from mmdet.models.necks import (
    FPG,
    HRFPN,
    NASFCOS_FPN,
    NASFPN,
    RFP,
    CTResNetNeck,
    DyHead,
    FPN_DropBlock,
    YOLOV3Neck,
)
from mmdet.models.necks.fpg import UpInterpolationConv
from mmdet.registry import MODELS
from torch import Tensor

from ..pyramid import (
    DynamicDeconv,
    DynamicInterpolation,
    DynamicPart,
    Restarted,
    Step,
    check_num_levels,
    merge_top_down,
)
from .fpn import DyFPN

NEAREST = dict(type='nearest')


@MODELS.register_module()
class DyRFP(Restarted, RFP, DyFPN):
    """mmdet's RFP, the recursive pyramid of DetectoRS, with any upsampler in its top-down path.

    Each of its passes is that of :class:`DyFPN`, with the same upsamplers. It takes the arguments
    of ``mmdet.models.necks.RFP`` and ``upsample_cfg``, and raises what :class:`DynamicFPN` raises.
    With ``dict(type='nearest')`` it takes the parent's state and gives its output.
    """


@MODELS.register_module()
class DyFPNDropBlock(DyFPN, FPN_DropBlock):
    """mmdet's FPN_DropBlock with any upsampler in its top-down path; see :class:`DynamicFPN`.

    The plugin is applied to each merged level, as in the parent. It takes the arguments of
    ``mmdet.models.necks.FPN_DropBlock`` and ``upsample_cfg``. With ``dict(type='nearest')`` it
    takes the parent's state and gives its output.
    """

    def _merge(self, laterals: list[Tensor]) -> list[Tensor]:
        return merge_top_down(laterals, self.upsample_modules, self.plugin)


@MODELS.register_module()
class DyHRFPN(DynamicInterpolation, HRFPN):
    """mmdet's HRFPN, which takes all levels of HRNet to the finest, with any upsampler in it.

    Level i has one step of ratio 2^i, guided by the finest level; see
    :class:`DynamicInterpolation`. It takes the arguments of ``mmdet.models.necks.HRFPN`` and
    ``upsample_cfg``. With ``dict(type='bilinear')`` it takes the parent's state and gives its
    output.
    """

    def steps(self) -> list[Step]:
        finest, *coarser = self.in_channels
        return [Step(c, 2**i, finest) for i, c in enumerate(coarser, start=1)]

    def guide(self, k: int, inputs: tuple[Tensor, ...]) -> Tensor:
        return inputs[0]


@MODELS.register_module()
class DyYOLOV3Neck(DynamicInterpolation, YOLOV3Neck):
    """mmdet's YOLOV3Neck with any upsampler in its top-down path.

    A step is guided by the backbone feature that it is concatenated with; see
    :class:`DynamicInterpolation`. It takes the arguments of ``mmdet.models.necks.YOLOV3Neck`` and
    ``upsample_cfg``. With ``dict(type='nearest')`` it takes the parent's state and gives its
    output.
    """

    own = NEAREST

    def steps(self) -> list[Step]:
        # the parent lists channels from the coarsest level on
        pairs = zip(self.out_channels[1:], self.in_channels[1:], strict=True)
        return [Step(c, 2, guide) for c, guide in pairs]

    def guide(self, k: int, feats: tuple[Tensor, ...]) -> Tensor:
        return feats[-2 - k]


class DyUpInterpolationConv(DynamicInterpolation, UpInterpolationConv):
    """A transition of FPG to a finer level, with any upsampler; nothing finer is at hand in it."""

    own = NEAREST

    def steps(self) -> list[Step]:
        return [Step(self.in_channels, self.scale_factor)]


@MODELS.register_module()
class DyFPG(Restarted, DynamicPart, FPG):
    """mmdet's FPG with any unguided upsampler in each of its transitions to a finer level.

    It takes the arguments of ``mmdet.models.necks.FPG`` and ``upsample_cfg``. With
    ``dict(type='nearest')`` it takes the parent's state and gives its output.
    """

    def add_upsamplers(self) -> None:
        for module in list(self.modules()):
            if type(module) is UpInterpolationConv:
                DyUpInterpolationConv.adopt(module, self.upsample_cfg)


@MODELS.register_module()
class DyNASFPN(DynamicInterpolation, NASFPN):
    """mmdet's NASFPN with any upsampler in its three upward steps of every stage.

    They are P6 to P4 (4×), P4 to P3 and P7 to P6, each guided by the level that it reaches; see
    :class:`DynamicInterpolation`. It takes the arguments of ``mmdet.models.necks.NASFPN`` and
    ``upsample_cfg``. With ``dict(type='nearest')`` it takes the parent's state and gives its
    output.
    """

    own = NEAREST

    def steps(self) -> list[Step]:
        c = self.out_channels
        return [Step(c, ratio, c) for ratio in (4, 2, 2)] * self.stack_times


@MODELS.register_module()
class DyNASFCOSFPN(DynamicInterpolation, NASFCOS_FPN):
    """mmdet's NASFCOS_FPN with any upsampler in its five upward steps.

    Three are in its cells, two behind them. The parent takes the nearest pixel in the cells and
    interpolates bilinearly behind them: without an ``upsample_cfg`` it is the parent. It takes the
    arguments of ``mmdet.models.necks.NASFCOS_FPN`` and ``upsample_cfg``; see
    :class:`DynamicInterpolation`.
    """

    own = None

    def steps(self) -> list[Step]:
        return [Step(self.out_channels, ratio, self.out_channels) for ratio in (4, 4, 2, 4, 4)]

    def calls(self, inputs: tuple[Tensor, ...]) -> list[int | None]:
        # behind the cells each sum is resized once more, to the size of its level
        return [0, 1, 2, 3, None, 4]


@MODELS.register_module()
class DyDyHead(DynamicInterpolation, DyHead):
    """mmdet's DyHead, the dynamic head, with any upsampler between its levels.

    A block convolves each next coarser level and takes it up by one step, guided by the level that
    it reaches; see :class:`DynamicInterpolation`. The levels are ``num_levels``. It takes the other
    arguments of ``mmdet.models.necks.DyHead`` and ``upsample_cfg``. With
    ``dict(type='bilinear', align_corners=True)`` it takes the parent's state and gives its output.
    """

    own = dict(type='bilinear', align_corners=True)

    def __init__(self, *args, num_levels: int = 5, **kwargs) -> None:
        self._num_levels = num_levels
        super().__init__(*args, **kwargs)

    def steps(self) -> list[Step]:
        guides = [self.in_channels] + [self.out_channels] * (self.num_blocks - 1)
        return [Step(self.out_channels, 2, c) for c in guides for _ in range(self._num_levels - 1)]

    def calls(self, inputs: tuple[Tensor, ...]) -> range:
        check_num_levels(inputs, self._num_levels)
        return super().calls(inputs)


@MODELS.register_module()
class DyCTResNetNeck(DynamicDeconv, CTResNetNeck):
    """mmdet's CTResNetNeck, of CenterNet, with any unguided upsampler instead of its transposed
    convolutions; see :class:`DynamicDeconv`."""
