"""What takes ``upsample_cfg`` in MMSegmentation."""

from ..stack import is_installed, needs

with needs('mmseg', "mmdyup's necks and heads for MMSegmentation"):
    from .depth import DyDenseDepthHead
    from .fpn import DyFPN, DyFPNHead
    from .heads import DySegformerHead, DyUPerHead

    if is_installed('mmdet'):
        from .maskformer_head import DyMaskFormerHead

__all__ = ['DyDenseDepthHead', 'DyFPN', 'DyFPNHead', 'DySegformerHead', 'DyUPerHead']

if is_installed('mmdet'):
    __all__ += ['DyMaskFormerHead']
