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


def list_upsamplers() -> dict[str, dict]:
    """Every published upsampler by name, with its config."""
    static = dict(style='pl', groups=8)
    return {
        'dysample': dict(type='DySample'),
        'dysample_plus': dict(type='DySample', dyscope=True),
        'dysample_s': dict(type='DySample', **static),
        'dysample_s_plus': dict(type='DySample', **static, dyscope=True),
        'dlu': dict(type='DLU'),
        'carafe': dict(type='CARAFE'),
        'fade': dict(type='FADE'),
        'fade_no_gate': dict(type='FADE', gate=False),
        'fade_lite': dict(type='FADE', lite=True),
        'sapa': dict(type='SAPA'),
    }


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
    'list_upsamplers',
    'upsample_to',
]
