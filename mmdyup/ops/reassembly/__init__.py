"""Reassembly by k×k kernels, and the products that a softmax makes such kernels."""

import torch
from torch import Tensor

from .. import reference
from ..backends import choose_backend, exports_tiles, is_exported
from ..checks import (
    check_divides,
    check_map,
    check_memory_format,
    check_odd,
    check_positive_int,
    check_same_device,
    check_shape,
)
from ..fastest import choose_fastest
from ..tensors import is_channels_last, memory_format_of, softmax_kernels
from . import mmcv, native
from .contractions import reassemble, scores
from .tiles import multiply_tiles


def carafe(
    x: Tensor,
    kernels: Tensor,
    groups: int = 1,
    scale_factor: int = 2,
    backend: str = 'auto',
    softmax: bool = False,
    memory_format: torch.memory_format | None = None,
) -> Tensor:
    """Content-aware reassembly (CARAFE, Wang et al., ICCV 2019, equation 4).

    Every output position is the sum of the k×k low-resolution neighbourhood of its cell,
    weighted by the position's own kernel; outside the map the feature is 0. CARAFE, DLU, FADE
    and SAPA differ only in how they make the kernels.

    Args:
        x: Feature, (N, C, H, W), float16, bfloat16, float32 or float64.
        kernels: (N, groups·k², sH, sW), any floating dtype, k odd; k is read off the channels.
        groups: Groups of channels that share a kernel, G; divides C.
        scale_factor: The upsampling ratio s, 1 or more.
        backend: 'auto' (mmcv's compiled operator on CUDA, cpp on the CPU, else native, or what
            ``MMDYUP_BACKEND`` names), 'mmcv', 'cpp' (compiled for the CPU), 'native', 'reference'
            (plain loops, for checking), or 'triton' (CUDA).
        softmax: Whether ``kernels`` are logits, and their softmax over a group's k² the kernels;
            Triton then never stores these in the forward pass.
        memory_format: That of the result; None is that of ``x``.

    Returns:
        (N, C, sH, sW) in the dtype of ``x``.

    Raises:
        TypeError: An argument is not a floating tensor, or a ratio is not an integer.
        ValueError: Shapes, groups, devices or the backend do not fit.
        RuntimeError: ``backend='triton'``, and Triton cannot compile the kernel here.
    """
    k = check_kernels(x, kernels, groups, scale_factor)
    check_memory_format(memory_format)
    run = choose_backend('carafe', backend, x)
    if run == 'fastest':
        maps, sizes = (x, kernels), dict(groups=groups, scale_factor=scale_factor, softmax=softmax)
        run = choose_fastest('carafe', carafe, maps, dict(sizes, memory_format=memory_format))
    return run_carafe(x, kernels, k, groups, scale_factor, run, softmax, memory_format)


def run_carafe(
    x: Tensor,
    kernels: Tensor,
    k: int,
    groups: int,
    s: int,
    run: str,
    softmax: bool,
    memory_format: torch.memory_format | None = None,
) -> Tensor:
    """:func:`carafe` by the backend ``run``, of arguments that were checked."""
    wanted = memory_format_of(x) if memory_format is None else memory_format
    in_triton = run.startswith('triton')
    if run == 'native' and is_exported() and exports_tiles():
        y = multiply_tiles(x, kernels, k, groups, s, softmax)
        return y.contiguous(memory_format=wanted)
    if softmax and not in_triton:
        kernels = softmax_kernels(kernels, groups)
    if run == 'mmcv':
        return mmcv.reassemble(x, kernels, k, groups, s).contiguous(memory_format=wanted)
    if run == 'reference':
        return reference.carafe(x, kernels, k, groups, s).contiguous(memory_format=wanted)
    if is_exported():
        # torch.jit's graphs are those that counters of operations read
        plain = native.multiply_windows if torch.jit.is_tracing() else native.sum_shifts
        return plain(x, kernels, k, groups, s).contiguous(memory_format=wanted)
    last = wanted == torch.channels_last
    return reassemble(x, kernels, k, groups, s, softmax and in_triton, x.dtype, last, run)


def neighborhood_scores(
    query: Tensor,
    key: Tensor,
    kernel_size: int = 5,
    scale_factor: int = 2,
    backend: str = 'auto',
) -> Tensor:
    """Products of every query with the keys around its cell (SAPA, Lu et al., NeurIPS 2022).

    m[a·k + b, u, v] = ⟨Q[u, v], K[⌊u/s⌋ + a − r, ⌊v/s⌋ + b − r]⟩ with r = (k − 1)/2; outside the
    map the key is 0. A softmax makes them kernels for :func:`mmdyup.ops.carafe`, whose gradient
    with respect to its kernels they are.

    Args:
        query: (N, D, sH, sW), float16, bfloat16, float32 or float64.
        key: (N, D, H, W), any floating dtype.
        kernel_size: Size k of the neighbourhood, odd.
        scale_factor: The upsampling ratio s, 1 or more.
        backend: 'auto', 'cpp', 'native', 'reference' or 'triton', as in
            :func:`mmdyup.ops.carafe`.

    Returns:
        (N, k², sH, sW) in the dtype and memory format of ``query``.

    Raises:
        TypeError: An argument is not a floating tensor, or a size is not an integer.
        ValueError: Shapes, devices or the backend's name do not fit, or the size is even.
        RuntimeError: ``backend='triton'``, and Triton cannot compile the kernel here.
    """
    check_map('key', key)
    check_odd('kernel_size', kernel_size)
    check_positive_int('scale_factor', scale_factor)
    n, d, h, w = key.shape
    size = (n, d, scale_factor * h, scale_factor * w)
    check_shape('query', query, size, 'the channels of the key at the upsampled size')
    check_same_device(key, query=query)
    run = choose_backend('neighborhood_scores', backend, key)
    if run == 'fastest':
        sizes = dict(kernel_size=kernel_size, scale_factor=scale_factor)
        run = choose_fastest('neighborhood_scores', neighborhood_scores, (query, key), sizes)
    if run == 'reference':
        return reference.neighborhood_scores(query, key, kernel_size, scale_factor)
    if is_exported():
        y = native.score_windows(key, query, kernel_size, scale_factor)
        return y.contiguous(memory_format=memory_format_of(query))
    last = is_channels_last(query)
    return scores(key, query, kernel_size, 1, scale_factor, query.dtype, last, run)


def check_kernels(x: Tensor, kernels: Tensor, groups: int, scale_factor: int) -> int:
    """The kernel size k of ``kernels``, (N, groups·k², sH, sW) with an odd k, for ``x``.

    Raises:
        TypeError: An argument is not a floating tensor, or a ratio is not an integer.
        ValueError: Shapes, groups or devices do not fit.
    """
    check_map('x', x)
    check_map('kernels', kernels)
    check_positive_int('scale_factor', scale_factor)
    check_divides('groups', groups, x.shape[1])
    check_same_device(x, kernels=kernels)
    n, _, h, w = x.shape
    channels = int(kernels.shape[1])
    kernel_size = 1
    while groups * kernel_size**2 < channels:
        kernel_size += 2
    if groups * kernel_size**2 != channels:
        raise ValueError(
            f'kernels must have groups·k² channels with an odd k, but {channels} is '
            f'not {groups} times an odd square.'
        )
    expected = (n, channels, scale_factor * h, scale_factor * w)
    why = f'a kernel for every position at {scale_factor} times the size of x'
    check_shape('kernels', kernels, expected, why)
    return kernel_size


__all__ = ['carafe', 'neighborhood_scores']
