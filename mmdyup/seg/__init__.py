"""What takes ``upsample_cfg`` in MMSegmentation."""

from ..stack import is_installed, needs

with needs('mmseg', "mmdyup's necks and heads for MMSegmentation"):
    # before what needs mmcv as well: where all are missing, mmseg is what to install
    import mmseg  # noqa: F401

    from .backbones import (
        DyBiSeNetV1,
        DyBiSeNetV2,
        DyDDRNet,
        DyERFNet,
        DyFastSCNN,
        DyHRNet,
        DyPIDNet,
        DySTDCContextPathNet,
        DyUNet,
    )
    from .decode_heads import (
        DyDepthwiseSeparableASPPHead,
        DyDPTHead,
        DyLightHamHead,
        DyLRASPPHead,
        DySETRMLAHead,
        DySETRUPHead,
    )
    from .depth import DyDenseDepthHead
    from .fpn import DyFPN, DyFPNHead
    from .heads import DySegformerHead, DyUPerHead
    from .necks import DyFeature2Pyramid, DyICNeck, DyJPU, DyMultiLevelNeck

    if is_installed('mmdet'):
        from .maskformer_head import DyMaskFormerHead

__all__ = [
    'DyBiSeNetV1',
    'DyBiSeNetV2',
    'DyDDRNet',
    'DyDPTHead',
    'DyDenseDepthHead',
    'DyDepthwiseSeparableASPPHead',
    'DyERFNet',
    'DyFPN',
    'DyFPNHead',
    'DyFastSCNN',
    'DyFeature2Pyramid',
    'DyHRNet',
    'DyICNeck',
    'DyJPU',
    'DyLRASPPHead',
    'DyLightHamHead',
    'DyMultiLevelNeck',
    'DyPIDNet',
    'DySETRMLAHead',
    'DySETRUPHead',
    'DySTDCContextPathNet',
    'DySegformerHead',
    'DyUNet',
    'DyUPerHead',
]

if is_installed('mmdet'):
    __all__ += ['DyMaskFormerHead']
