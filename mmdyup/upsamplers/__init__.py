"""Upsamplers, one class a file; ``base.py`` is what all of them are."""

from ..ops.checks import check_input as check_input
from .base import Upsampler as Upsampler
from .build import accepted_arguments as accepted_arguments
from .build import build_upsampler as build_upsampler
from .build import find_upsampler as find_upsampler
from .plain import PlainUpsampler as PlainUpsampler
from .reassembly import ReassemblyUpsampler as ReassemblyUpsampler
from .registry import list_upsamplers as list_upsamplers
from .registry import register as register

# in the order of `list_upsamplers`
# isort: off
from .dysample import DySample as DySample
from .dlu import DLU as DLU
from .carafe import CARAFE as CARAFE
from .fade import FADE as FADE
from .sapa import SAPA as SAPA
from .sapa_d import SAPAD as SAPAD
from .sapa_g import SAPAG as SAPAG
from .sapa_i import SAPAI as SAPAI
from .frfu import FRFU as FRFU
from .lda_aqu import LDAAQU as LDAAQU
from .freqfusion import FreqFusion as FreqFusion
from .indexnet import IndexNet as IndexNet
from .a2u import A2U as A2U
