"""Bilinear samples by PyTorch's grid_sample, for every device."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..backends import returns_results
from ..tensors import compute_dtype, memory_format_of, without_autocast

_BILINEAR, _BORDER = 0, 1


@returns_results
@without_autocast
def sample(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float) -> Tensor:
    """See :data:`mmdyup.ops.sampling.sample`."""
    maps, grid = _maps_and_grid(x, offsets, start, scale)
    samples = F.grid_sample(maps, grid, mode='bilinear', padding_mode='border', align_corners=False)
    samples = samples.reshape(*x.shape[:2], *samples.shape[2:])
    return samples.to(x.dtype, memory_format=memory_format_of(x))


@returns_results
@without_autocast
def sample_backward(
    x: Tensor,
    grad_y: Tensor,
    offsets: Tensor,
    start: Tensor | None,
    scale: float,
    needed: list[bool],
) -> tuple[Tensor, Tensor]:
    """See :data:`mmdyup.ops.sampling.sample_backward`."""
    of_x, of_offsets = needed
    maps, grid = _maps_and_grid(x, offsets, start, scale)
    # what grid_sample reads at 0, its backward pass would look for outside of the map, and crash
    grid.nan_to_num_(nan=-1)
    grad_y = grad_y.to(grid.dtype).reshape(*maps.shape[:2], *grad_y.shape[2:])
    grad_maps, grad_grid = torch.ops.aten.grid_sampler_2d_backward(
        grad_y, maps, grid, _BILINEAR, _BORDER, False, [of_x, True]
    )
    grad_x, grad_offsets = x.new_empty(0), offsets.new_empty(0)
    if of_x:
        grad_x = grad_maps.reshape(x.shape).to(x.dtype, memory_format=memory_format_of(x))
    if of_offsets:
        grad_grid = _as_cells(grad_grid.movedim(-1, 1), offsets)
        grad_offsets = torch.empty_like(offsets)
        for axis, pixel in enumerate(_pixel(offsets)):
            grad_offsets[:, axis] = grad_grid[:, axis] * (scale * pixel)
    return grad_x, grad_offsets


def _maps_and_grid(
    x: Tensor, offsets: Tensor, start: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """(N·groups, C/groups, H, W) and (N·groups, sH, sW, 2)."""
    n, c, h, w = x.shape
    groups, s = offsets.shape[2:4]
    dtype = compute_dtype(x)
    # grid_sample reads a grid whose columns lie side by side as fast as one of pairs
    grid = torch.empty(n * groups, 2, s * h, s * w, dtype=dtype, device=x.device)
    cells = _as_cells(grid, offsets)
    for axis, pixel in enumerate(_pixel(offsets)):
        centres = torch.arange(x.shape[3 - axis], dtype=dtype, device=x.device) + 0.5
        if start is not None:
            centres = centres + start[axis, ..., None].to(dtype)
        torch.add(
            (centres * pixel - 1).unsqueeze(-2 + axis),
            offsets[:, axis],
            alpha=scale * pixel,
            out=cells[:, axis],
        )
    return x.to(dtype).reshape(n * groups, c // groups, h, w), grid.movedim(1, -1)


def _as_cells(grid: Tensor, offsets: Tensor) -> Tensor:
    """(N·groups, 2, sH, sW) as (N, 2, groups, s, s, H, W), a view."""
    n, _, groups, s, _, h, w = offsets.shape
    cells = grid.unflatten(0, (n, groups)).unflatten(4, (w, s)).unflatten(3, (h, s))
    return cells.permute(0, 2, 1, 4, 6, 3, 5)


def _pixel(offsets: Tensor) -> tuple[float, float]:
    """A pixel's width and height in grid_sample's coordinates, −1 to 1 over the map."""
    h, w = offsets.shape[-2:]
    return 2 / w, 2 / h
