"""Bilinear samples by compiled code for the CPU, as an operator of PyTorch's."""

import ctypes

import torch
from torch import Tensor

from ..autograd import register_backward
from ..tensors import compute_dtype, empty_upsampled, memory_format_of
from .library import Map, call, make_ready


class _Sizes(Map):
    """Field by field as in sample_cells.cpp."""

    _fields_ = [
        ('offsets_step', 7 * ctypes.c_int64),
        ('grad_offsets_step', 8 * ctypes.c_int64),
        ('scale', ctypes.c_double),
    ]


@torch.library.custom_op('mmdyup::sample_cells_cpp', mutates_args=())
def sample_cells(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float) -> Tensor:
    """See :func:`mmdyup.ops.bilinear.sample_around_cells`."""
    if not x.numel():
        return empty_upsampled(x, offsets.shape[3])
    sizes, *inputs = _make_ready(x, offsets, start, scale)
    y = empty_upsampled(inputs[0], offsets.shape[3])
    tables = y.new_empty(0 if sizes.channels_last else x.numel())
    call('sample_cells', sizes, *inputs, tables, y)
    return y.to(x.dtype)


@sample_cells.register_fake
def _empty_result(x, offsets, start, scale):
    return empty_upsampled(x, offsets.shape[3])


@torch.library.custom_op('mmdyup::sample_cells_cpp_backward', mutates_args=())
def _sample_cells_backward(
    grad_y: Tensor, x: Tensor, offsets: Tensor, start: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    if not x.numel():
        return torch.empty_like(x), torch.empty_like(offsets)
    sizes, *inputs = _make_ready(x, offsets, start, scale)
    sizes.divide_channels()
    grad_x = torch.empty_like(inputs[0])
    grad_y = grad_y.to(grad_x.dtype).contiguous(memory_format=memory_format_of(grad_x))
    # every block of a group has its share of the gradient of the group's offsets
    shares = grad_x.new_empty(sizes.blocks_of_group, *offsets.shape)
    sizes.grad_offsets_step[:] = [*shares.stride()[1:], shares.stride(0)]
    tables = grad_x.new_empty(
        0 if sizes.channels_last else 2 * sizes.threads * sizes.block * x[0, 0].numel()
    )
    call('sample_cells_backward', sizes, grad_y, *inputs, tables, grad_x, shares)
    return grad_x.to(x.dtype), torch.empty_like(offsets).copy_(shares.sum(0))


@_sample_cells_backward.register_fake
def _empty_gradients(grad_y, x, offsets, start, scale):
    return torch.empty_like(x), torch.empty_like(offsets)


def _make_ready(
    x: Tensor, offsets: Tensor, start: Tensor | None, scale: float
) -> tuple[_Sizes, Tensor, Tensor, Tensor | None]:
    dtype = compute_dtype(x)
    x, offsets = make_ready(x, dtype), offsets.to(dtype)
    sizes = _Sizes.of(x, *offsets.shape[2:4], scale=scale)
    sizes.offsets_step[:] = offsets.stride()
    return sizes, x, offsets, None if start is None else start.to(dtype).contiguous()


register_backward(sample_cells, _sample_cells_backward)
