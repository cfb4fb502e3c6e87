"""What the pyramids of both frameworks share; needs neither of them."""

from .fpn import DynamicFPN
from .inherited import OF_YOLOX
from .levels import check_num_levels, check_pyramid
from .part import DynamicPart
from .steps import build_steps
from .top_down import build_top_down, merge_top_down

__all__ = [
    'OF_YOLOX',
    'DynamicFPN',
    'DynamicPart',
    'build_steps',
    'build_top_down',
    'check_num_levels',
    'check_pyramid',
    'merge_top_down',
]
