"""The contractions by compiled code for the CPU."""

import functools

import torch
from torch import Tensor

from ..csrc.library import BLOCK, FUNCTIONS, Reassembly, make_ready, room_for
from ..tensors import compute_dtype

# Fewer multiply-adds take no longer than threads take to begin.
_LITTLE = 1 << 18


def reassemble(
    x: Tensor,
    kernels: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    softmax: bool,
    y: Tensor,
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`; ``softmax`` is Triton's and False here."""
    dtype = compute_dtype(x, kernels)
    x, kernels, room = make_ready(x, dtype), make_ready(kernels, dtype), room_for(y, dtype)
    size = _size(x, room, kernels, kernel_size, groups, scale_factor)
    FUNCTIONS['reassemble', dtype](size, x.data_ptr(), kernels.data_ptr(), room.data_ptr())
    if room is not y:
        y.copy_(room)


def scores(
    x: Tensor, y: Tensor, kernel_size: int, groups: int, scale_factor: int, kernels: Tensor
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    dtype = compute_dtype(x, y)
    x, y, room = make_ready(x, dtype), make_ready(y, dtype), room_for(kernels, dtype)
    size = _size(x, y, room, kernel_size, groups, scale_factor)
    FUNCTIONS['scores', dtype](size, x.data_ptr(), y.data_ptr(), room.data_ptr())
    if room is not kernels:
        kernels.copy_(room)


def spread(
    kernels: Tensor, y: Tensor, kernel_size: int, groups: int, scale_factor: int, x: Tensor
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    dtype = compute_dtype(kernels, y)
    kernels, y, room = make_ready(kernels, dtype), make_ready(y, dtype), room_for(x, dtype)
    size = _size(room, y, kernels, kernel_size, groups, scale_factor)
    FUNCTIONS['spread', dtype](size, kernels.data_ptr(), y.data_ptr(), room.data_ptr())
    if room is not x:
        x.copy_(room)


def _size(
    x: Tensor, y: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> Reassembly:
    threads = torch.get_num_threads() if y.numel() * kernel_size**2 >= _LITTLE else 1
    return _known_size(
        x.shape,
        groups,
        scale_factor,
        not x.is_contiguous(),
        not y.is_contiguous(),
        threads,
        kernel_size,
        not kernels.is_contiguous(),
    )


# filling a struct takes longer than finding it
@functools.lru_cache(maxsize=1024)
def _known_size(shape: tuple[int, ...], groups: int, scale_factor: int, *others: int) -> Reassembly:
    return Reassembly(*shape, groups, scale_factor, BLOCK, *others)
