from .base import Upsampler
from .build import build_upsampler, find_upsampler
from .carafe import CARAFE
from .dlu import DLU
from .dysample import DySample
from .fade import FADE
from .fit import upsample_to
from .plain import PlainUpsampler
from .reassembly import ReassemblyUpsampler
from .sapa import SAPA

__all__ = [
    'CARAFE',
    'DLU',
    'DySample',
    'FADE',
    'PlainUpsampler',
    'ReassemblyUpsampler',
    'SAPA',
    'Upsampler',
    'build_upsampler',
    'find_upsampler',
    'upsample_to',
]
