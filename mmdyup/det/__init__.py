"""What takes ``upsample_cfg`` in MMDetection."""

from ..stack import needs

with needs('mmdet', "mmdyup's necks and heads for MMDetection"):
    from .backbones import DyHourglassNet, DyHRNet
    from .bfp import DyBFP
    from .csp_pafpn import DyCSPNeXtPAFPN, DyYOLOXPAFPN
    from .fpn import DyFPN, DyFPNCARAFE, DyPAFPN
    from .instance_heads import (
        DyBoxInstMaskHead,
        DyCondInstMaskHead,
        DyDecoupledSOLOHead,
        DyDecoupledSOLOLightHead,
        DyRTMDetInsHead,
        DyRTMDetInsSepBNHead,
        DySOLOHead,
        DySOLOV2Head,
        DyYOLACTProtonet,
    )
    from .mask_heads import (
        DyDynamicMaskHead,
        DyFCNMaskHead,
        DyFeatureRelayHead,
        DyFusedSemanticHead,
        DyGridHead,
        DyHTCMaskHead,
        DySCNetMaskHead,
        DySCNetSemanticHead,
    )
    from .maskformer_head import DyMaskFormerHead
    from .necks import (
        DyCTResNetNeck,
        DyDyHead,
        DyFPG,
        DyFPNDropBlock,
        DyHRFPN,
        DyNASFCOSFPN,
        DyNASFPN,
        DyRFP,
        DyYOLOV3Neck,
    )
    from .panoptic_fpn_head import DyPanopticFPNHead
    from .pixel_decoder import (
        DyMSDeformAttnPixelDecoder,
        DyPixelDecoder,
        DyTransformerEncoderPixelDecoder,
    )

__all__ = [
    'DyBFP',
    'DyBoxInstMaskHead',
    'DyCSPNeXtPAFPN',
    'DyCTResNetNeck',
    'DyCondInstMaskHead',
    'DyDecoupledSOLOHead',
    'DyDecoupledSOLOLightHead',
    'DyDyHead',
    'DyDynamicMaskHead',
    'DyFCNMaskHead',
    'DyFPG',
    'DyFPN',
    'DyFPNCARAFE',
    'DyFPNDropBlock',
    'DyFeatureRelayHead',
    'DyFusedSemanticHead',
    'DyGridHead',
    'DyHRFPN',
    'DyHRNet',
    'DyHTCMaskHead',
    'DyHourglassNet',
    'DyMSDeformAttnPixelDecoder',
    'DyMaskFormerHead',
    'DyNASFCOSFPN',
    'DyNASFPN',
    'DyPAFPN',
    'DyPanopticFPNHead',
    'DyPixelDecoder',
    'DyRFP',
    'DyRTMDetInsHead',
    'DyRTMDetInsSepBNHead',
    'DySCNetMaskHead',
    'DySCNetSemanticHead',
    'DySOLOHead',
    'DySOLOV2Head',
    'DyTransformerEncoderPixelDecoder',
    'DyYOLACTProtonet',
    'DyYOLOV3Neck',
    'DyYOLOXPAFPN',
]
