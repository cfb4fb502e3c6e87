"""Floating-point operations a low-resolution pixel, as the CARAFE and DLU papers count them.

Two for every multiply-add of a convolution or a reassembly; four multiply-adds for every value
that is sampled bilinearly. Biases, normalization, softmax, sigmoid and the arithmetic of
coordinates are left out. C are the channels of the feature, s is the ratio; a guide has C
channels too, at s² times the pixels.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

_SAMPLE = 2 * 4


def conv(in_channels: int, out_channels: int, kernel_size: int = 1) -> int:
    return 2 * in_channels * out_channels * kernel_size**2


def bilinear(c: int, s: int) -> int:
    return _SAMPLE * c * s**2


def deconv(c: int, s: int) -> int:
    """A transposed convolution of kernel 2s − 1: every input pixel meets the whole kernel."""
    return conv(c, c, 2 * s - 1)


def pixel_shuffle(c: int, s: int) -> int:
    return conv(c, c * s**2, 3)


def reassembly(c: int, s: int, k: int = 5) -> int:
    return 2 * k**2 * c * s**2


def dysample(c: int, s: int, style: str = 'lp', groups: int = 4, dyscope: bool = False) -> int:
    """One convolution for the offsets, a second one with ``dyscope``, and the sampling."""
    if style == 'lp':
        offsets = conv(c, 2 * groups * s**2)
    else:
        offsets = s**2 * conv(c // s**2, 2 * groups)
    return (1 + dyscope) * offsets + bilinear(c, s)


def carafe(c: int, s: int, k: int = 5, encoder_kernel: int = 3, compressed: int = 64) -> int:
    return conv(c, compressed) + conv(compressed, k**2 * s**2, encoder_kernel) + reassembly(c, s, k)


def dlu(c: int, s: int, k: int = 5, encoder_kernel: int = 3, compressed: int = 64) -> int:
    """Compressor, small kernel space, offsets, sampling of k² weights, reassembly."""
    return (
        conv(c, compressed)
        + conv(compressed, k**2 + 2 * s**2, encoder_kernel)
        + bilinear(k**2, s)
        + reassembly(c, s, k)
    )


def fade(
    c: int, s: int, k: int = 5, compressed: int = 64, gate: bool = True, lite: bool = False
) -> int:
    """Compressor and encoder for the guide and for the feature, reassembly, gate, and blend.

    The encoder of FADE-Lite is depthwise, on k² channels. The blend has two multiply-adds a value:
    with it come the +2.65G of the authors' SegFormer.
    """
    if lite:
        logits = conv(c, k**2) + conv(1, k**2, 3)
    else:
        logits = conv(c, compressed) + conv(compressed, k**2, 3)
    gated = conv(c, 1) + blend(c, s) if gate else 0
    return (s**2 + 1) * logits + reassembly(c, s, k) + gated


def blend(c: int, s: int) -> int:
    return 2 * 2 * c * s**2


def sapa(c: int, s: int, k: int = 5, embed: int = 32) -> int:
    """Embedding of the guide and of the feature, scores, reassembly."""
    return (s**2 + 1) * conv(c, embed) + reassembly(embed, s, k) + reassembly(c, s, k)


def sapa_g(c: int, s: int, k: int = 5, embed: int = 32) -> int:
    """A second embedding of the feature, the gate, and the blend of the two."""
    return sapa(c, s, k, embed) + conv(c, embed) + conv(c, 1) + blend(embed, s)


def sapa_i(c: int, s: int, k: int = 5) -> int:
    return 2 * reassembly(c, s, k)


def attention(c: int, s: int, embed: int, points: int = 9) -> int:
    """Keys of ``embed`` channels and values are sampled at every point, and multiplied."""
    return (_SAMPLE + 2) * points * (embed + c) * s**2


def sapa_d(c: int, s: int, groups: int = 4, points: int = 9, embed: int = 32) -> int:
    """Embedding of the guide and of the feature, offsets, attention."""
    embed *= groups
    offsets = conv(c, 2 * groups * points * s**2)
    return (s**2 + 1) * conv(c, embed) + offsets + attention(c, s, embed, points)


def lda_aqu(c: int, s: int, groups: int = 2, k: int = 3, reduction: int = 4) -> int:
    """Queries and keys, queries upsampled, offsets and the table's logits of them, attention."""
    embed, points = c // reduction, k**2
    offsets = conv(1, embed, 3) + groups * conv(embed // groups, 2 * points, 3)
    return (
        2 * conv(c, embed)
        + bilinear(embed, s)
        + s**2 * (offsets + conv(embed, points))
        + attention(c, s, embed, points)
    )


def frfu(c: int, s: int, groups: int = 4, k: int = 3) -> int:
    """Offsets and their mask, sampling, kernels and their mask of what was sampled, reassembly."""
    kernels = s**2 * 2 * conv(c, k**2)
    return 2 * conv(c, 2 * groups * s**2) + bilinear(c, s) + kernels + reassembly(c, s, k)


def freqfusion(c: int, s: int, k: int = 5, highpass: int = 3, groups: int = 4) -> int:
    """Compressors, encoders, three reassemblies, similarities, offsets, sampling.

    As ``forward`` does it, without what a meeting adds to sharpen the guide: high-pass logits and
    the guide, reassembled.
    """
    m = c // 4
    compressed = conv(c, m) + conv(m, k**2, 3) + conv(m, highpass**2, 3)
    # of a pixel and those around it, of which 8 are used
    similarities = 2 * 25 * m
    reassembled = reassembly(m, s, highpass) + reassembly(k**2 + c, s, k)
    return (
        (s**2 + 1) * (compressed + similarities)
        + reassembled
        # offsets and their scopes; at low resolution, of every place
        + 2 * s**2 * conv(m + 8, 2 * 2 * groups, 3)
        + bilinear(c, s)
    )


def indexnet(c: int, s: int) -> int:
    """Two convolutions, and one product a value."""
    return conv(c, 2 * c, s + 2 * (s // 2)) + conv(2 * c, s**2) + reassembly(c, s, 1)


def a2u(c: int, s: int, k: int = 3) -> int:
    """Two windows, their product, and reassembly; what is done once for a picture is left out."""
    return 2 * conv(c, 1, 3 * s) + conv(c, 1) + reassembly(c, s, k)


def counted(upsampler: nn.Module) -> int:
    """What PyTorch's own counter finds, for an upsampler that has no formula here."""
    c, s = upsampler.in_channels, upsampler.scale_factor
    maps = [torch.zeros(1, c, 4, 4)]
    if upsampler.guided:
        maps.append(torch.zeros(1, c, 4 * s, 4 * s))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        upsampler(*maps)
    return counter.get_total_flops() // 16


#: The formula of each ``type`` of ``upsample_cfg``, which takes C, s and the type's own arguments.
FORMULAS: dict[str, Callable[..., int]] = {
    'nearest': lambda c, s: 0,
    'bilinear': bilinear,
    'deconv': deconv,
    'pixel_shuffle': pixel_shuffle,
    'DySample': dysample,
    'DLU': dlu,
    'CARAFE': carafe,
    'FADE': fade,
    'SAPA': sapa,
    'SAPAD': sapa_d,
    'SAPAG': sapa_g,
    'SAPAI': sapa_i,
    'FRFU': frfu,
    'LDAAQU': lda_aqu,
    'FreqFusion': freqfusion,
    'IndexNet': indexnet,
    'A2U': a2u,
}
