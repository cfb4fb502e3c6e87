"""Reassembly by compiled code for the CPU, as an operator of PyTorch's."""

import ctypes
from math import ceil

import torch
from torch import Tensor

from ..autograd import register_backward
from ..tensors import compute_dtype, empty_upsampled, memory_format_of
from .library import Map, call, make_ready


class _Sizes(Map):
    """Field by field as in reassemble.cpp."""

    _fields_ = [
        (name, ctypes.c_int64) for name in ('kernel_size', 'kernels_channels_last', 'shares')
    ]

    @property
    def table_pixels(self) -> int:
        """Of a block with its frame of zeros."""
        return (self.height + self.kernel_size - 1) * (self.width + self.kernel_size - 1)


@torch.library.custom_op('mmdyup::reassemble_cpp', mutates_args=())
def reassemble(
    x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> Tensor:
    """See :func:`mmdyup.ops.carafe`; arguments are taken as checked."""
    if not x.numel():
        return empty_upsampled(x, scale_factor)
    sizes, *inputs = _make_ready(x, kernels, kernel_size, groups, scale_factor)
    y = empty_upsampled(inputs[0], scale_factor)
    tables = y.new_empty(len(x) * x.shape[1], sizes.table_pixels)
    call('reassemble', sizes, *inputs, tables, y)
    return y.to(x.dtype)


@reassemble.register_fake
def _empty_result(x, kernels, kernel_size, groups, scale_factor):
    return empty_upsampled(x, scale_factor)


@torch.library.custom_op('mmdyup::reassemble_cpp_backward', mutates_args=())
def _reassemble_backward(
    grad_y: Tensor, x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> tuple[Tensor, Tensor]:
    if not x.numel():
        return torch.empty_like(x), torch.empty_like(kernels)
    sizes, *inputs = _make_ready(x, kernels, kernel_size, groups, scale_factor)
    sizes.divide_channels()
    grad_x = torch.empty_like(inputs[0])
    grad_y = grad_y.to(grad_x.dtype).contiguous(memory_format=memory_format_of(grad_x))
    # threads divide a group's channels where groups are too few for them
    sizes.shares = min(sizes.blocks_of_group, ceil(sizes.threads / (len(x) * groups)))
    shares = torch.empty(
        sizes.shares * len(x),
        *kernels.shape[1:],
        dtype=grad_x.dtype,
        memory_format=memory_format_of(inputs[1]),
    )
    tables = grad_x.new_empty(2 * sizes.threads * sizes.block, sizes.table_pixels)
    call('reassemble_backward', sizes, grad_y, *inputs, tables, grad_x, shares)
    grad_kernels = torch.empty_like(kernels)
    grad_kernels.copy_(shares.unflatten(0, (sizes.shares, -1)).sum(0))
    return grad_x.to(x.dtype), grad_kernels


@_reassemble_backward.register_fake
def _empty_gradients(grad_y, x, kernels, kernel_size, groups, scale_factor):
    return torch.empty_like(x), torch.empty_like(kernels)


def _make_ready(
    x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> tuple[_Sizes, Tensor, Tensor]:
    dtype = compute_dtype(x, kernels)
    x, kernels = make_ready(x, dtype), make_ready(kernels, dtype)
    sizes = _Sizes.of(
        x,
        groups,
        scale_factor,
        kernel_size=kernel_size,
        kernels_channels_last=memory_format_of(kernels) == torch.channels_last,
    )
    return sizes, x, kernels


register_backward(reassemble, _reassemble_backward)
