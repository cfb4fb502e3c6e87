from .base import Upsampler
from .build import build_upsampler, find_upsampler
from .carafe import CARAFE
from .dlu import DLU
from .dysample import DySample
from .fit import upsample_to
from .plain import PlainUpsampler
from .reassembly import ReassemblyUpsampler

__all__ = [
    'CARAFE', 'DLU', 'DySample', 'PlainUpsampler', 'ReassemblyUpsampler', 'Upsampler',
    'build_upsampler', 'find_upsampler', 'upsample_to'
]
