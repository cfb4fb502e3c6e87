"""Necks of mmseg's that are no FPN."""

import warnings

from mmseg.models.necks import JPU, Feature2Pyramid, ICNeck, MultiLevelNeck
from mmseg.registry import MODELS
from torch import Tensor

from ..pyramid import DynamicDeconv, DynamicInterpolation, Step


@MODELS.register_module()
class DyICNeck(DynamicInterpolation, ICNeck):
    """mmseg's ICNeck, of ICNet, with any upsampler in its two cascaded fusions.

    A step is guided by the finer feature that it is fused with; see :class:`DynamicInterpolation`.
    ICNet rounds sizes twice: where two maps are not 2× apart, the parent's interpolation is taken
    for that step, and one warning says so. It takes the arguments of
    ``mmseg.models.necks.ICNeck`` and ``upsample_cfg``. With
    ``dict(type='bilinear')`` and the parent's ``align_corners`` it takes the parent's state and
    gives its output.
    """

    hint = None

    def steps(self) -> list[Step]:
        fine, middle, coarse = self.in_channels
        return [Step(coarse, 2, middle), Step(self.out_channels, 2, fine)]


@MODELS.register_module()
class DyJPU(DynamicInterpolation, JPU):
    """mmseg's JPU, of FastFCN, with any upsampler to its finest level.

    Level i, counted from the finest, has one step of ratio 2^i, guided by the finest one; see
    :class:`DynamicInterpolation`. It takes the arguments of ``mmseg.models.necks.JPU`` and
    ``upsample_cfg``. With ``dict(type='bilinear')`` and the parent's ``align_corners`` it takes the
    parent's state and gives its output.
    """

    def steps(self) -> list[Step]:
        c = self.mid_channels
        return [Step(c, 2**i, c) for i in range(1, len(self.conv_layers))]


@MODELS.register_module()
class DyMultiLevelNeck(DynamicInterpolation, MultiLevelNeck):
    """mmseg's MultiLevelNeck, which makes levels of a plain transformer's maps, with any unguided
    upsampler.

    Each of its ``scales`` above 1 has one step of that ratio. One that is no integer is
    interpolated as in the parent, and told once; see :class:`DynamicInterpolation`. It takes the
    arguments of ``mmseg.models.necks.MultiLevelNeck`` and ``upsample_cfg``. With
    ``dict(type='bilinear')`` it takes the parent's state and gives its output.
    """

    def steps(self) -> list[Step]:
        fractions = [s for s in self.scales if s > 1 and s != int(s)]
        if fractions:
            warnings.warn(
                f'DyMultiLevelNeck leaves the scales {fractions} to its parent: an upsampler has '
                'an integer ratio.',
                stacklevel=2,
            )
        return [Step(self.out_channels, int(self.scales[i])) for i in self._upsampled()]

    def calls(self, inputs: tuple[Tensor, ...]) -> list[int | None]:
        places = self._upsampled()
        return [places.index(i) if i in places else None for i in range(self.num_outs)]

    def _upsampled(self) -> list[int]:
        return [i for i, s in enumerate(self.scales) if s > 1 and s == int(s)]


@MODELS.register_module()
class DyFeature2Pyramid(DynamicDeconv, Feature2Pyramid):
    """mmseg's Feature2Pyramid, of BEiT and MAE, with any unguided upsampler instead of its
    transposed convolutions; see :class:`DynamicDeconv`."""
