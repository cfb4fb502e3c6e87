from .base import Upsampler
from .build import accepted_arguments, build_upsampler, find_upsampler, list_upsamplers
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
    'accepted_arguments',
    'build_upsampler',
    'find_upsampler',
    'list_upsamplers',
    'upsample_to',
]
