"""What takes ``upsample_cfg`` in MMDetection."""
from .dy_fpn import DyFPN
from .dy_fpn_carafe import DyFPNCARAFE

__all__ = ['DyFPN', 'DyFPNCARAFE']
