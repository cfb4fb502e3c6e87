"""Blockwise reassembly as an operator of PyTorch's, so that a compiled graph holds it whole."""

import torch
from torch import Tensor

from .autograd import register_backward
from .parts import each_part, reassemble_part, reassemble_part_backward
from .tensors import compute_dtype, empty_upsampled


@torch.library.custom_op('mmdyup::reassemble', mutates_args=())
def reassemble(
    x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> Tensor:
    """See :func:`mmdyup.ops.carafe`; arguments are taken as checked."""
    y = empty_upsampled(x, scale_factor)
    dtype = compute_dtype(x, kernels)
    with torch.autocast(x.device.type, enabled=False):
        for x_part, kernels_part, y_part in each_part(groups, x, kernels, y):
            reassemble_part(x_part, kernels_part, y_part, kernel_size, scale_factor, dtype)
    return y


@reassemble.register_fake
def _empty_result(x, kernels, kernel_size, groups, scale_factor):
    return empty_upsampled(x, scale_factor)


@torch.library.custom_op('mmdyup::reassemble_backward', mutates_args=())
def reassemble_backward(
    grad_y: Tensor, x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> tuple[Tensor, Tensor]:
    grad_x, grad_kernels = torch.empty_like(x), torch.empty_like(kernels)
    dtype = compute_dtype(x, kernels)
    with torch.autocast(x.device.type, enabled=False):
        for parts in each_part(groups, x, kernels, grad_y, grad_x, grad_kernels):
            reassemble_part_backward(*parts, kernel_size, scale_factor, dtype)
    return grad_x, grad_kernels


@reassemble_backward.register_fake
def _empty_gradients(grad_y, x, kernels, kernel_size, groups, scale_factor):
    return torch.empty_like(x), torch.empty_like(kernels)


# the backward pass walks the same blocks anew
register_backward(reassemble, reassemble_backward)
