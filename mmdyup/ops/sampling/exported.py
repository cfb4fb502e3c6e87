"""Bilinear samples in graphs that leave Python: no size is frozen, nothing is written over."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tensors import cell_centres, compute_dtype, join_cells, memory_format_of


def sample_grid(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float) -> Tensor:
    """:data:`mmdyup.ops.sampling.sample` by grid_sample, which is GridSample in ONNX."""
    maps, positions = _maps_and_positions(x, offsets, start, scale)
    step = 2 / torch.stack(_sizes(x, maps.dtype))
    grid = (positions.movedim(1, -1) + 0.5) * step - 1
    y = F.grid_sample(maps, grid, mode='bilinear', padding_mode='border', align_corners=False)
    return _as_upsampled(y, x, offsets)


def sample_rows(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float) -> Tensor:
    """The same as four rows of channels for every position, gathered by index and weighed.

    The indices are integers, which no runtime makes less precise.
    """
    maps, positions = _maps_and_positions(x, offsets, start, scale)
    w, h = x.shape[3], x.shape[2]
    low, high, weights = [], [], []
    for position, length, end in zip(
        positions.unbind(1), (w, h), _sizes(x, maps.dtype), strict=True
    ):
        position = position.clamp(min=0).minimum(end - 1)
        whole = position.floor()
        # clamped as a whole number: not even NaN then leads out of the map
        pixel = whole.long().clamp(min=0).clamp(max=length - 1)
        low.append(pixel)
        high.append((pixel + 1).clamp(max=length - 1))
        weights.append((position - whole).flatten())
    rows = maps.flatten(2).transpose(1, 2).flatten(0, 1)
    first = torch.arange(maps.shape[0], device=x.device)[:, None, None] * (h * w)
    (left, top), (right, below), (fx, fy) = low, high, weights
    corners = [first + row * w + column for row in (top, below) for column in (left, right)]
    values = rows[torch.stack(corners, -1).flatten()].unflatten(0, (-1, 4))
    shares = [gy * gx for gy in (1 - fy, fy) for gx in (1 - fx, fx)]
    y = torch.stack(shares, -1)[:, None] @ values
    y = y.reshape(maps.shape[0], -1, maps.shape[1]).transpose(1, 2)
    return _as_upsampled(y, x, offsets)


def _maps_and_positions(
    x: Tensor, offsets: Tensor, start: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """(N·groups, C/groups, H, W), and (N·groups, 2, sH, sW), columns and rows in pixels."""
    n, c, h, w = x.shape
    groups, s = offsets.shape[2:4]
    dtype = compute_dtype(x)
    if start is not None:
        offsets = torch.add(start.to(dtype)[..., None, None], offsets, alpha=scale)
        scale = 1.0
    offsets = join_cells(offsets.permute(0, 2, 1, 5, 3, 6, 4).flatten(0, 1)).to(dtype)
    positions = torch.add(cell_centres(x, s, dtype), offsets, alpha=scale)
    return x.to(dtype).reshape(n * groups, c // groups, h, w), positions


def _sizes(x: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Width and height as tensors, which a traced graph does not freeze."""
    return [torch.full((), n, dtype=dtype, device=x.device) for n in x.shape[:-3:-1]]


def _as_upsampled(y: Tensor, x: Tensor, offsets: Tensor) -> Tensor:
    n, c, h, w = x.shape
    s = offsets.shape[3]
    return y.reshape(n, c, s * h, s * w).to(x.dtype, memory_format=memory_format_of(x))
