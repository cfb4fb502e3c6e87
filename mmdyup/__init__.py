"""Dynamic upsampling for MMDetection, MMSegmentation and Ultralytics.

Importing registers everything whose framework is installed: the upsamplers in mmengine's
registry, the necks and heads in mmdet's and mmseg's, the rows of models in Ultralytics'. PyTorch
alone will do.
"""

from . import blocks, ops, pyramid
from .stack import register_all
from .swap import swap_upsamples
from .ultralytics import install as _install
from .upsamplers import (
    A2U,
    CARAFE,
    DLU,
    FADE,
    FRFU,
    LDAAQU,
    SAPA,
    SAPAD,
    SAPAG,
    SAPAI,
    DySample,
    FreqFusion,
    IndexNet,
    Upsampler,
    build_upsampler,
    list_upsamplers,
)
from .version import __version__

__all__ = [
    'A2U',
    'CARAFE',
    'DLU',
    'DySample',
    'FADE',
    'FRFU',
    'LDAAQU',
    'FreqFusion',
    'IndexNet',
    'SAPA',
    'SAPAD',
    'SAPAG',
    'SAPAI',
    'Upsampler',
    '__version__',
    'blocks',
    'build_upsampler',
    'list_upsamplers',
    'ops',
    'pyramid',
    'swap_upsamples',
]

register_all()
_install()
