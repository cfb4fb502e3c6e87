"""What takes ``upsample_cfg`` in MMSegmentation."""

from .dy_fpn import DyFPN
from .dy_fpn_head import DyFPNHead
from .dy_segformer_head import DySegformerHead
from .dy_uper_head import DyUPerHead

__all__ = ['DyFPN', 'DyFPNHead', 'DySegformerHead', 'DyUPerHead']
