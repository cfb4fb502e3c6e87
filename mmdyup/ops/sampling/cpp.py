"""Bilinear samples by compiled code for the CPU."""

from math import ceil

import torch
from torch import Tensor

from ..csrc.library import BLOCK, FUNCTIONS, Sampling, make_ready, room_for
from ..tensors import compute_dtype, is_channels_last, memory_format_of

# What a block is made smaller to where threads, which divide blocks, would idle otherwise.
_SMALLEST_BLOCK = 16


def sample(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float, y: Tensor) -> None:
    """See :data:`mmdyup.ops.sampling.sample`."""
    dtype = compute_dtype(x)
    size, *inputs = _make_ready(x, offsets, start, scale, dtype)
    result = room_for(y, dtype)
    tables = result.new_empty(0 if size.x_channels_last else x.numel())
    _call('sample', dtype, size, *inputs, tables, result)
    if result is not y:
        y.copy_(result)


def sample_backward(
    x: Tensor,
    grad_y: Tensor,
    offsets: Tensor,
    start: Tensor | None,
    scale: float,
    grad_x: Tensor,
    grad_offsets: Tensor,
) -> None:
    """See :data:`mmdyup.ops.sampling.sample_backward`."""
    dtype = compute_dtype(x)
    size, *inputs = _make_ready(x, offsets, start, scale, dtype)
    of_group = size.channels // size.groups
    while size.block > _SMALLEST_BLOCK and (
        size.images * size.groups * ceil(of_group / size.block) < size.threads
    ):
        size.block //= 2
    grad_y = grad_y.to(dtype).contiguous(memory_format=memory_format_of(grad_x))
    result = room_for(grad_x, dtype)
    # every block of a group has its share of the gradient of the group's offsets
    shares = result.new_empty(ceil(of_group / size.block), *offsets.shape)
    size.grad_offsets_step[:] = [*shares.stride()[1:], shares.stride(0)]
    tables = result.new_empty(
        0 if size.x_channels_last else 2 * size.threads * size.block * size.height * size.width
    )
    _call('sample_backward', dtype, size, grad_y, *inputs, tables, result, shares)
    if result is not grad_x:
        grad_x.copy_(result)
    grad_offsets.copy_(shares[0] if len(shares) == 1 else shares.sum(0))


def _make_ready(
    x: Tensor, offsets: Tensor, start: Tensor | None, scale: float, dtype: torch.dtype
) -> tuple[Sampling, Tensor, Tensor, Tensor | None]:
    offsets = offsets.to(dtype)
    last = is_channels_last(x)
    size = Sampling(
        *x.shape, *offsets.shape[2:4], BLOCK, last, last, torch.get_num_threads(), scale=scale
    )
    size.offsets_step[:] = offsets.stride()
    start = None if start is None else start.to(dtype).contiguous()
    return size, make_ready(x, dtype), offsets, start


def _call(name: str, dtype: torch.dtype, size: Sampling, *tensors: Tensor | None) -> None:
    FUNCTIONS[name, dtype](size, *[None if z is None else z.data_ptr() for z in tensors])
