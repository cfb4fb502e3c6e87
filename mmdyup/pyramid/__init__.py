"""What the necks and heads of all frameworks share; needs none of them."""

from .fpn import DynamicFPN
from .merging import (
    UpsamplerList,
    build_steps,
    build_top_down,
    check_num_levels,
    check_pyramid,
    merge_top_down,
    upsample_to_finest,
)
from .part import DynamicPart, effective_upsample_cfg

__all__ = [
    'DynamicFPN',
    'DynamicPart',
    'UpsamplerList',
    'build_steps',
    'build_top_down',
    'check_num_levels',
    'check_pyramid',
    'effective_upsample_cfg',
    'merge_top_down',
    'upsample_to_finest',
]
