from mmseg.models.necks import FPN
from mmseg.registry import MODELS

from ..pyramid import DynamicFPN


@MODELS.register_module()
class DyFPN(DynamicFPN, FPN):
    """mmseg's FPN with any upsampler in its top-down path; see :class:`DynamicFPN`.

    The parent's own ``upsample_cfg``, arguments for ``F.interpolate``, gives way to ours.
    """
