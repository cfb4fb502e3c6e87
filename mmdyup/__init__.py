"""Dynamic upsampling for MMDetection and MMSegmentation.

Importing registers everything whose framework is installed: the upsamplers in mmengine's
registry, the necks and heads in mmdet's and mmseg's.
"""

from .utils import is_installed, mend_stack
from .version import __version__

mend_stack()

from .upsamplers import CARAFE, DLU, FADE, SAPA, DySample, build_upsampler, list_upsamplers  # noqa: E402

if is_installed('mmdet'):
    from . import det  # noqa: F401

if is_installed('mmseg'):
    from . import evaluation, seg  # noqa: F401

__all__ = [
    'CARAFE',
    'DLU',
    'DySample',
    'FADE',
    'SAPA',
    '__version__',
    'build_upsampler',
    'list_upsamplers',
]
