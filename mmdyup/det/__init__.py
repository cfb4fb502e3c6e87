"""What takes ``upsample_cfg`` in MMDetection."""

from .dy_bfp import DyBFP
from .dy_cspnext_pafpn import DyCSPNeXtPAFPN
from .dy_fpn import DyFPN
from .dy_fpn_carafe import DyFPNCARAFE
from .dy_pafpn import DyPAFPN
from .dy_panoptic_fpn_head import DyPanopticFPNHead
from .dy_yolox_pafpn import DyYOLOXPAFPN

__all__ = [
    'DyBFP',
    'DyCSPNeXtPAFPN',
    'DyFPN',
    'DyFPNCARAFE',
    'DyPAFPN',
    'DyPanopticFPNHead',
    'DyYOLOXPAFPN',
]
