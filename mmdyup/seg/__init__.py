"""What takes ``upsample_cfg`` in MMSegmentation."""

from ..stack import needs

with needs('mmseg', "mmdyup's necks and heads for MMSegmentation"):
    from .fpn import DyFPN, DyFPNHead
    from .heads import DySegformerHead, DyUPerHead

__all__ = ['DyFPN', 'DyFPNHead', 'DySegformerHead', 'DyUPerHead']
