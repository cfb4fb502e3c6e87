"""Blockwise reassembly as an operator of PyTorch's, so that a compiled graph holds it whole."""
from collections.abc import Iterator

import torch
from torch import Tensor

from .blocks import reassemble_part, reassemble_part_backward
from .dtypes import compute_dtype, memory_format_of


@torch.library.custom_op('mmdyup::reassemble', mutates_args=())
def reassemble(x: Tensor, kernels: Tensor, kernel_size: int, groups: int,
               scale_factor: int) -> Tensor:
    """See :func:`mmdyup.ops.carafe`; arguments are taken as checked."""
    y = _empty_result(x, kernels, kernel_size, groups, scale_factor)
    dtype = compute_dtype(x, kernels)
    with torch.autocast(x.device.type, enabled=False):
        for x_part, kernels_part, y_part in _parts(groups, x, kernels, y):
            reassemble_part(x_part, kernels_part, y_part, kernel_size, scale_factor, dtype)
    return y


@reassemble.register_fake
def _empty_result(x, kernels, kernel_size, groups, scale_factor):
    n, c, h, w = x.shape
    return torch.empty((n, c, scale_factor * h, scale_factor * w), dtype=x.dtype, device=x.device,
                       memory_format=memory_format_of(x))


@torch.library.custom_op('mmdyup::reassemble_backward', mutates_args=())
def _reassemble_backward(grad_y: Tensor, x: Tensor, kernels: Tensor, kernel_size: int, groups: int,
                        scale_factor: int) -> tuple[Tensor, Tensor]:
    grad_x, grad_kernels = torch.empty_like(x), torch.empty_like(kernels)
    dtype = compute_dtype(x, kernels)
    with torch.autocast(x.device.type, enabled=False):
        for parts in _parts(groups, x, kernels, grad_y, grad_x, grad_kernels):
            reassemble_part_backward(*parts, kernel_size, scale_factor, dtype)
    return grad_x, grad_kernels


@_reassemble_backward.register_fake
def _empty_gradients(grad_y, x, kernels, kernel_size, groups, scale_factor):
    return torch.empty_like(x), torch.empty_like(kernels)


def _save_inputs(ctx, inputs, output):
    x, kernels, *ctx.sizes = inputs
    ctx.save_for_backward(x, kernels)


def _gradients(ctx, grad_y):
    return *_reassemble_backward(grad_y, *ctx.saved_tensors, *ctx.sizes), None, None, None


# nothing but the inputs is kept: the backward pass walks the same blocks anew
reassemble.register_autograd(_gradients, setup_context=_save_inputs)


def _parts(groups: int, *maps: Tensor) -> Iterator[list[Tensor]]:
    """One image and one group of each map at a time, (channels, rows, columns), as views."""
    for image in range(maps[0].shape[0]):
        for group in range(groups):
            yield [part[image].chunk(groups)[group] for part in maps]
