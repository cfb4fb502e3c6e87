"""Bilinear samples by grid_sample on the CPU, as an operator of PyTorch's.

A compiled graph then holds it whole; decomposed, grid_sample becomes a loop without vectors.
"""

import torch
from torch import Tensor

from . import bilinear_grid
from .autograd import register_backward
from .tensors import empty_upsampled


@torch.library.custom_op('mmdyup::sample_cells', mutates_args=())
def sample_cells(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float) -> Tensor:
    """See :func:`mmdyup.ops.bilinear.sample_around_cells`."""
    if not x.numel():
        return empty_upsampled(x, offsets.shape[3])
    with torch.autocast('cpu', enabled=False):
        return bilinear_grid.sample(x, offsets, start, scale)


@sample_cells.register_fake
def _empty_result(x, offsets, start, scale):
    return empty_upsampled(x, offsets.shape[3])


@torch.library.custom_op('mmdyup::sample_cells_backward', mutates_args=())
def _sample_cells_backward(
    grad_y: Tensor, x: Tensor, offsets: Tensor, start: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    if not x.numel():
        return torch.empty_like(x), torch.empty_like(offsets)
    with torch.autocast('cpu', enabled=False):
        return bilinear_grid.sample_backward(grad_y, x, offsets, start, scale)


@_sample_cells_backward.register_fake
def _empty_gradients(grad_y, x, offsets, start, scale):
    return torch.empty_like(x), torch.empty_like(offsets)


register_backward(sample_cells, _sample_cells_backward)
