"""Backbones of mmdet's that upsample."""

from mmdet.models.backbones import HourglassNet, HRNet
from mmdet.models.backbones.hrnet import HRModule
from mmdet.registry import MODELS

from ..pyramid import DynamicHRModule, DynamicHRNet, DynamicInterpolation, Step


class DyHRModule(DynamicHRModule, HRModule):
    """mmdet's HRModule with any upsampler in it."""

    own = dict(type='nearest')


@MODELS.register_module()
class DyHRNet(DynamicHRNet, HRNet):
    """mmdet's HRNet with any upsampler between its branches; see :class:`DynamicHRNet`."""

    hr_module = DyHRModule


@MODELS.register_module()
class DyHourglassNet(DynamicInterpolation, HourglassNet):
    r"""mmdet's HourglassNet, of CornerNet, with any upsampler on the way up of each hourglass.

    A step is guided by the branch that it joins::

        x ── up1 ───────────────────────────────────────────── (+)
        └── low1 ── up1 ────────────────────────── (+) ── low3 ──┘ 2×, the last of a stack
                └── low1 ── ... ── low3 ────────────┘ 2×

    With ``dict(type='nearest')`` it takes the state of mmdet's ``HourglassNet`` and gives its
    output.

    Args:
        *args: Those of ``mmdet.models.backbones.HourglassNet``.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of ``mmdet.models.backbones.HourglassNet``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler.
    """

    own = dict(type='nearest')

    def steps(self) -> list[Step]:
        steps = []
        for hourglass in self.hourglass_modules:
            channels = []
            for _ in range(hourglass.depth):
                channels.insert(0, hourglass.low3[-1].conv2.out_channels)
                hourglass = hourglass.low2
            steps += [Step(c, 2, c) for c in channels]
        return steps
