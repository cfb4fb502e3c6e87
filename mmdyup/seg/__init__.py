"""What takes ``upsample_cfg`` in MMSegmentation."""

from ..stack import is_installed, needs

with needs('mmseg', "mmdyup's necks and heads for MMSegmentation"):
    # before what needs mmcv as well: where all are missing, mmseg is what to install
    import mmseg  # noqa: F401

    from .depth import DyDenseDepthHead
    from .fpn import DyFPN, DyFPNHead
    from .heads import DySegformerHead, DyUPerHead

    if is_installed('mmdet'):
        from .maskformer_head import DyMaskFormerHead

__all__ = ['DyDenseDepthHead', 'DyFPN', 'DyFPNHead', 'DySegformerHead', 'DyUPerHead']

if is_installed('mmdet'):
    __all__ += ['DyMaskFormerHead']
