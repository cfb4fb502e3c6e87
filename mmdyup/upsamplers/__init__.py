from .base import Upsampler
from .build import build_upsampler
from .carafe import CARAFE
from .dlu import DLU
from .dysample import DySample
from .fit import upsample_to
from .plain import PlainUpsampler

__all__ = [
    'CARAFE', 'DLU', 'DySample', 'PlainUpsampler', 'Upsampler', 'build_upsampler', 'upsample_to'
]
