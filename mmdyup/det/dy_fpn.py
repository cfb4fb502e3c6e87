from mmdet.models.necks import FPN
from mmdet.registry import MODELS

from ..pyramid import DynamicFPN


@MODELS.register_module()
class DyFPN(DynamicFPN, FPN):
    """mmdet's FPN with any upsampler in its top-down path; see :class:`DynamicFPN`."""
