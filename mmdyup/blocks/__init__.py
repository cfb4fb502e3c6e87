"""Blocks of YOLO's users, for rows of a yaml and for parts of mmdet; PyTorch alone will do.

Those that downsample are called as Ultralytics' ``Conv`` is, with (c1, c2, k, s); those that keep
channels with (in_channels, ...).
"""

from ..upsamplers.registry import MODELS
from .ema import EMA
from .hybrid_down import HybridDown
from .layers import ConvBNAct, Gate, SpaceToDepth
from .layers import fuse as fuse
from .msca import MSCA
from .spd import SPDConv, SPDConvLite

#: Makes c2 channels of c1.
DOWNSAMPLING = (SPDConv, SPDConvLite, HybridDown)
#: Keeps channels and size.
ATTENTION = (EMA, MSCA)
#: What they are made of beside PyTorch's layers: a pickled block holds these too.
LAYERS = (ConvBNAct, SpaceToDepth, Gate)

__all__ = ['EMA', 'HybridDown', 'MSCA', 'SPDConv', 'SPDConvLite']

if MODELS is not None:
    for _block in (*DOWNSAMPLING, *ATTENTION):
        MODELS.register_module(module=_block)
