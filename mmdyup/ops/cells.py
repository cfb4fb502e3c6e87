"""Low-resolution cells: the s×s positions of an upsampled map that belong to one pixel."""

from torch import Tensor


def split_cells(large: Tensor, scale_factor: int) -> Tensor:
    """(N, C, sH, sW) to (N, C, H, s, W, s), a view; [:, :, h, i, w, j] is place (i, j) of a cell.

    Against it a map ``small[:, :, :, None, :, None]`` broadcasts as if upsampled to the nearest.
    """
    return large.unflatten(3, (-1, scale_factor)).unflatten(2, (-1, scale_factor))


def join_cells(cells: Tensor) -> Tensor:
    """The inverse of :func:`split_cells`."""
    return cells.flatten(4, 5).flatten(2, 3)
