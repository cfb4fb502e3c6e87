"""What takes ``upsample_cfg`` in MMDetection."""

from ..stack import needs

with needs('mmdet', "mmdyup's necks and heads for MMDetection"):
    from .bfp import DyBFP
    from .csp_pafpn import DyCSPNeXtPAFPN, DyYOLOXPAFPN
    from .fpn import DyFPN, DyFPNCARAFE, DyPAFPN
    from .maskformer_head import DyMaskFormerHead
    from .panoptic_fpn_head import DyPanopticFPNHead
    from .pixel_decoder import DyMSDeformAttnPixelDecoder, DyPixelDecoder

__all__ = [
    'DyBFP',
    'DyCSPNeXtPAFPN',
    'DyFPN',
    'DyFPNCARAFE',
    'DyMSDeformAttnPixelDecoder',
    'DyMaskFormerHead',
    'DyPAFPN',
    'DyPanopticFPNHead',
    'DyPixelDecoder',
    'DyYOLOXPAFPN',
]
