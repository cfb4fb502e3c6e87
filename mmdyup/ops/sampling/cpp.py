"""Bilinear samples by compiled code for the CPU."""

import functools

import torch
from torch import Tensor

from ..csrc.library import (
    BLOCK,
    Sampling,
    call,
    count_threads,
    divide_channels,
    hand_over,
    prepare,
    room_for,
)
from ..tensors import compute_dtype

# Fewer values of y take no longer than threads take to begin.
_LITTLE = 1 << 14
_NO_STEPS = 8 * (0,)


def sample(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float, y: Tensor) -> None:
    """See :data:`mmdyup.ops.sampling.sample`."""
    dtype = compute_dtype(x)
    x, room = prepare(dtype, x, to=y)
    offsets, start = _make_ready(offsets, start, dtype)
    threads = count_threads(room.numel(), _LITTLE)
    size = _size(x, room, offsets, scale, threads, BLOCK, _NO_STEPS)
    tables = None if size.x_channels_last else torch.empty_like(x)
    call('sample', size, x, offsets, start, tables, room)
    hand_over(room, y)


def sample_backward(
    x: Tensor,
    grad_y: Tensor,
    offsets: Tensor,
    start: Tensor | None,
    scale: float,
    needed: list[bool],
    grad_x: Tensor,
    grad_offsets: Tensor,
) -> None:
    """See :data:`mmdyup.ops.sampling.sample_backward`; ``grad_x`` lies in memory as ``x``."""
    dtype = compute_dtype(x)
    x, grad_y, room = prepare(dtype, x, grad_y, to=grad_x)
    offsets, start = _make_ready(offsets, start, dtype)
    threads, last = count_threads(grad_y.numel(), _LITTLE), not x.is_contiguous()
    if last:  # threads divide rows
        block, blocks = x.shape[1] // offsets.shape[2], 1
        if threads > 1:  # which keep pixels of it for each other
            grad_y = grad_y.contiguous(memory_format=torch.channels_last)
    else:
        block, blocks = divide_channels(*x.shape[:2], offsets.shape[2], threads)
    if not needed[1]:
        shares, steps = grad_offsets, _NO_STEPS
    elif blocks == 1:
        shares = room_for(grad_offsets, dtype)
        steps = *shares.stride(), 0
    else:  # every block of a group has its share of the gradient of the group's offsets
        shares = torch.empty((blocks, *offsets.shape), dtype=dtype)
        steps = *shares.stride()[1:], shares.stride(0)
    size = _size(x, grad_y, offsets, scale, threads, block, steps)
    tables = None if last else torch.empty((2 * threads, block, *x.shape[2:]), dtype=dtype)
    call('sample_backward', size, x, grad_y, offsets, start, tables, room, shares)
    hand_over(room, grad_x)
    if shares is not grad_offsets:
        grad_offsets.copy_(shares if blocks == 1 else shares.sum(0))


def _make_ready(
    offsets: Tensor, start: Tensor | None, dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    if offsets.dtype is not dtype:
        offsets = offsets.to(dtype)
    if start is not None and not (start.dtype is dtype and start.is_contiguous()):
        start = start.to(dtype).contiguous()
    return offsets, start


def _size(
    x: Tensor,
    y: Tensor,
    offsets: Tensor,
    scale: float,
    threads: int,
    block: int,
    grad_steps: tuple[int, ...],
) -> Sampling:
    return _known_size(
        x.shape,
        offsets.shape,
        block,
        not x.is_contiguous(),
        not y.is_contiguous(),
        threads,
        offsets.stride(),
        grad_steps,
        scale,
    )


# filling a struct takes longer than finding it
@functools.lru_cache(maxsize=1024)
def _known_size(shape: tuple[int, ...], offsets_shape: tuple[int, ...], *others) -> Sampling:
    return Sampling(*shape, *offsets_shape[2:4], *others)
