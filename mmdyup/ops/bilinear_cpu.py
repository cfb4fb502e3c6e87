"""Bilinear samples on the CPU as an operator of PyTorch's.

A compiled graph then holds it whole; decomposed, grid_sample becomes a loop without vectors.
"""
from types import ModuleType

import torch
from torch import Tensor

from . import bilinear_grid, bilinear_rows
from .autograd import register_backward
from .dtypes import memory_format_of
from .empty import empty_upsampled

# channels of a group from which whole pixels were faster, forward and backward together
_MIN_ROW = 16


@torch.library.custom_op('mmdyup::sample_cells', mutates_args=())
def sample_cells(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float) -> Tensor:
    """See :func:`mmdyup.ops.bilinear.sample_around_cells`."""
    if not x.numel():
        return empty_upsampled(x, offsets.shape[3])
    with torch.autocast('cpu', enabled=False):
        return _way_for(x, offsets).sample(x, offsets, start, scale)


@sample_cells.register_fake
def _empty_result(x, offsets, start, scale):
    return empty_upsampled(x, offsets.shape[3])


@torch.library.custom_op('mmdyup::sample_cells_backward', mutates_args=())
def _sample_cells_backward(grad_y: Tensor, x: Tensor, offsets: Tensor, start: Tensor | None,
                           scale: float) -> tuple[Tensor, Tensor]:
    if not x.numel():
        return torch.empty_like(x), torch.empty_like(offsets)
    with torch.autocast('cpu', enabled=False):
        return _way_for(x, offsets).sample_backward(grad_y, x, offsets, start, scale)


@_sample_cells_backward.register_fake
def _empty_gradients(grad_y, x, offsets, start, scale):
    return torch.empty_like(x), torch.empty_like(offsets)


def _way_for(x: Tensor, offsets: Tensor) -> ModuleType:
    """By whole pixels where their channels lie side by side, else channel by channel."""
    by_rows = (memory_format_of(x) == torch.channels_last and
               x.shape[1] // offsets.shape[2] >= _MIN_ROW)
    return bilinear_rows if by_rows else bilinear_grid


register_backward(sample_cells, _sample_cells_backward)
