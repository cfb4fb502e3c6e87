"""What the necks and heads of all frameworks share; needs none of them."""

from .deconv import DynamicDeconv
from .fpn import DynamicFPN
from .hrnet import DynamicHRModule, DynamicHRNet
from .interpolation import DynamicInterpolation, Restarted, Step, no_guide
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
    'DynamicDeconv',
    'DynamicFPN',
    'DynamicHRModule',
    'DynamicHRNet',
    'DynamicInterpolation',
    'DynamicPart',
    'Restarted',
    'Step',
    'UpsamplerList',
    'build_steps',
    'build_top_down',
    'check_num_levels',
    'check_pyramid',
    'effective_upsample_cfg',
    'merge_top_down',
    'no_guide',
    'upsample_to_finest',
]
