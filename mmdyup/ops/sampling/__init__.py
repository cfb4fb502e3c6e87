"""Bilinear samples around low-resolution cells: of features, and of small kernel spaces."""

import torch
from torch import Tensor

from .. import reference
from ..backends import choose_backend, exports_rows, is_exported
from ..checks import (
    check_divides,
    check_map,
    check_memory_format,
    check_number,
    check_positive_int,
    check_same_device,
    check_shape,
)
from ..fastest import choose_fastest
from ..register import register
from ..tensors import format_of, is_channels_last, memory_format_of, split_cells
from . import exported


def point_sample(
    x: Tensor,
    offsets: Tensor,
    scale_factor: int = 2,
    groups: int = 1,
    backend: str = 'auto',
    scale: float = 1.0,
    start: Tensor | None = None,
    memory_format: torch.memory_format | None = None,
) -> Tensor:
    """Upsamples by one bilinear sample for every output position (DySample, section 3.1).

    The s² output positions of low-resolution cell (h, w) read each group's channels at the
    cell's centre plus ``start + scale · offsets``; beyond the border the border is read, and what
    is not a number reads the first column or row. At the bilinear start this is
    ``F.interpolate(mode='bilinear', align_corners=False)``. On CUDA the backward pass is not
    deterministic, and raises under ``torch.use_deterministic_algorithms(True)``.

    Args:
        x: Feature, (N, C, H, W), float16, bfloat16, float32 or float64.
        offsets: (N, 2·groups·s², H, W), any floating dtype, in low-resolution pixels. Channels
            are ordered by coordinate (x along the width, then y), group, place i·s + j in the
            cell.
        scale_factor: The upsampling ratio s, 1 or more.
        groups: Groups of channels that share their offsets; divides C.
        backend: 'auto' (cpp where that can run, else native, or what ``MMDYUP_BACKEND`` names),
            'cpp' (compiled for the CPU), 'native', 'reference' (plain loops, for checking), or
            'triton' (CUDA, no grid in memory).
        scale: What the offsets are multiplied by.
        start: (1, 2·groups·s², 1, 1), any floating dtype, in low-resolution pixels, added to every
            cell's scaled offsets; a constant, without a gradient. None is 0.
        memory_format: That of the result; None is that of ``x``.

    Returns:
        (N, C, sH, sW) in the dtype of ``x``.

    Raises:
        TypeError: An argument is not a floating tensor, a ratio is not an integer, or the scale
            not a number.
        ValueError: Shapes, groups, devices or the backend's name do not fit.
        RuntimeError: ``backend='triton'``, and Triton cannot compile the kernel here.
    """
    check_map('x', x)
    check_positive_int('scale_factor', scale_factor)
    n, c, h, w = x.shape
    check_divides('groups', groups, c)
    channels = 2 * groups * scale_factor**2
    why = '2 coordinates · groups · scale_factor² channels at the size of x'
    check_shape('offsets', offsets, (n, channels, h, w), why)
    check_number('scale', scale)
    if start is not None:
        check_shape('start', start, (1, channels, 1, 1), 'as the channels of offsets')
    check_same_device(x, offsets=offsets, start=start)
    check_memory_format(memory_format)
    run = choose_backend('point_sample', backend, x)
    if run == 'fastest':
        sizes = dict(
            scale_factor=scale_factor, groups=groups, scale=scale, memory_format=memory_format
        )
        run = choose_fastest('point_sample', point_sample, (x, offsets), sizes, start=start)
    places = (2, groups, scale_factor, scale_factor)
    if start is not None:
        start = start.detach().reshape(places)
    offsets = offsets.unflatten(1, places)
    if run == 'reference':
        y = reference.point_sample(x, offsets, scale, start)
        return y if memory_format is None else y.contiguous(memory_format=memory_format)
    return run_sample(x, offsets, start, scale, run, memory_format)


def expand_kernels(
    kernels: Tensor,
    offsets: Tensor,
    scale_factor: int = 2,
    groups: int = 1,
    backend: str = 'auto',
) -> Tensor:
    """Samples large reassembly kernels from a small kernel space (DLU, section 3.2).

    The kernel of output position (u, v) is the bilinear sample of the small space at column
    ⌊v/s⌋ + o_x and row ⌊u/s⌋ + o_y, clamped at the border, pixel centres at whole numbers.
    Kernels that sum to one still do so afterwards; zero offsets repeat the nearest kernel.

    Args:
        kernels: Small kernel space, (N, groups·k², H, W), float16, bfloat16, float32 or float64.
        offsets: (N, 2·groups, sH, sW), any floating dtype, pairs (x, y) in low-resolution
            pixels, group by group.
        scale_factor: The upsampling ratio s, 1 or more.
        groups: Kernels for each position, G.
        backend: 'auto', 'cpp', 'native', 'reference' or 'triton', as in
            :func:`mmdyup.ops.point_sample`.

    Returns:
        (N, groups·k², sH, sW) in the dtype and memory format of ``kernels``.

    Raises:
        TypeError: An argument is not a floating tensor, or a ratio is not an integer.
        ValueError: Shapes, groups, devices or the backend's name do not fit.
        RuntimeError: ``backend='triton'``, and Triton cannot compile the kernel here.
    """
    check_map('kernels', kernels)
    check_positive_int('scale_factor', scale_factor)
    check_divides('groups', groups, kernels.shape[1])
    check_pairs(kernels, offsets, scale_factor, groups)
    run = choose_backend('expand_kernels', backend, kernels)
    if run == 'fastest':
        sizes = dict(scale_factor=scale_factor, groups=groups)
        run = choose_fastest('expand_kernels', expand_kernels, (kernels, offsets), sizes)
    if run == 'reference':
        return reference.expand_kernels(kernels, offsets, scale_factor, groups)
    return run_sample(kernels, pairs_as_cells(offsets, scale_factor, groups), None, 1.0, run)


def run_sample(
    x: Tensor,
    offsets: Tensor,
    start: Tensor | None,
    scale: float,
    backend: str,
    memory_format: torch.memory_format | None = None,
) -> Tensor:
    """:data:`sample`, or plain operations in a graph that cannot hold it."""
    wanted = memory_format_of(x) if memory_format is None else memory_format
    if is_exported():
        plain = exported.sample_rows if exports_rows() else exported.sample_grid
        y = plain(x, offsets, start, scale)
    else:
        # the others write in the format of x
        last = wanted == torch.channels_last if backend == 'cpp' else is_channels_last(x)
        y = sample(x, offsets, start, scale, last, backend)
    return y.contiguous(memory_format=wanted)


def check_pairs(x: Tensor, offsets: Tensor, scale_factor: int, groups: int) -> None:
    """Raises where ``offsets`` are not pairs for the cells of the map ``x``, on its device."""
    n, _, h, w = x.shape
    expected = (n, 2 * groups, scale_factor * h, scale_factor * w)
    check_shape('offsets', offsets, expected, 'a pair (x, y) for each group at the upsampled size')
    check_same_device(x, offsets=offsets)


def pairs_as_cells(offsets: Tensor, scale_factor: int, groups: int) -> Tensor:
    """(N, 2·groups, sH, sW), pairs group by group, as (N, 2, groups, s, s, H, W), a view."""
    pairs = split_cells(offsets, scale_factor).unflatten(1, (groups, 2))
    return pairs.permute(0, 2, 1, 4, 6, 3, 5)


def _empty_sample(x, offsets, start, scale, channels_last, backend):
    n, c, h, w = x.shape
    s = offsets.shape[3]
    return torch.empty(
        (n, c, s * h, s * w),
        dtype=x.dtype,
        device=x.device,
        memory_format=format_of(channels_last),
    )


def _empty_sample_backward(x, grad_y, offsets, start, scale, needed, backend):
    of_x, of_offsets = needed
    return (
        torch.empty_like(x, memory_format=memory_format_of(x)) if of_x else x.new_empty(0),
        torch.empty_like(offsets) if of_offsets else offsets.new_empty(0),
    )


def _sample_gradient(grad, needed, x, offsets, start, scale, channels_last, backend):
    return sample_backward(x, grad, offsets, start, scale, needed[:2], backend)


def _multiply_adds(x, offsets, *_) -> int:
    return 4 * x.numel() * offsets.shape[3] ** 2


_GIVEN = 'Tensor offsets, Tensor? start, float scale'

#: Place (i, j) of cell (h, w) reads its group's channels of x, (N, C, H, W), at column w + o_x and
#: row h + o_y, where o = start + scale · offsets, pixel centres stand at whole numbers, and
#: positions beyond the border are clamped to it. Positions and weights are float32 for
#: half-precision features, whose own dtype cannot hold them. Offsets are (N, 2, groups, s, s, H, W)
#: with any strides, o_x before o_y; the start is a constant, (2, groups, s, s).
sample = register(
    f'sample(Tensor x, {_GIVEN}, bool channels_last, str backend) -> Tensor',
    'sampling',
    _empty_sample,
    _sample_gradient,
    _multiply_adds,
)
#: The gradients of the feature and of the offsets, empty where they are not needed.
sample_backward = register(
    f'sample_backward(Tensor x, Tensor grad_y, {_GIVEN}, bool[2] needed, str backend) '
    '-> (Tensor, Tensor)',
    'sampling',
    _empty_sample_backward,
    'The gradient of a gradient of bilinear samples (DySample, DLU) is not implemented; '
    'differentiate once.',
    lambda x, grad_y, offsets, *_: 2 * _multiply_adds(x, offsets),
)

__all__ = ['expand_kernels', 'point_sample']
