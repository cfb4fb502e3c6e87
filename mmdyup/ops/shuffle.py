"""Pixel shuffle for empty batches too, where PyTorch's own pair returns a wrong shape."""

from torch import Tensor

from .cells import join_cells, split_cells


def pixel_shuffle(x: Tensor, scale_factor: int) -> Tensor:
    """(N, C·s², H, W) to (N, C, sH, sW); channel c·s² + i·s + j is place (i, j) of a cell."""
    cells = x.unflatten(1, (-1, scale_factor, scale_factor))
    return join_cells(cells.permute(0, 1, 4, 2, 5, 3))


def pixel_unshuffle(x: Tensor, scale_factor: int) -> Tensor:
    """The inverse of :func:`pixel_shuffle`: (N, C, sH, sW) to (N, C·s², H, W)."""
    return split_cells(x, scale_factor).permute(0, 1, 3, 5, 2, 4).flatten(1, 3)
