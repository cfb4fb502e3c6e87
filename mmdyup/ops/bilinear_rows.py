"""Bilinear samples pixel by pixel: for maps in channels-last, where a pixel's channels are a row.

A sample is the weighted sum of four rows of the table that such a map is, which is what
embedding_bag computes. So is the gradient of a pixel: the weighted sum of the samples that read it.
"""
import torch
import torch.nn.functional as F
from torch import Tensor

from .dtypes import compute_dtype
from .positions import write_positions

# corners from which 32 bits do not number them all
_WIDE = 1 << 31


def sample(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float) -> Tensor:
    """See :func:`mmdyup.ops.bilinear.sample_around_cells`; ``x`` is in channels-last."""
    n, c, h, w = x.shape
    groups, s = offsets.shape[2:4]
    corners, fractions = _find_corners(_clamp(_positions(x, offsets, start, scale), h, w), h, w)
    y = F.embedding_bag(corners, _rows(x, groups), mode='sum',
                        per_sample_weights=_weights(*fractions))
    return y.to(x.dtype).view(n, s * h, s * w, c).permute(0, 3, 1, 2)


def sample_backward(grad_y: Tensor, x: Tensor, offsets: Tensor, start: Tensor | None,
                    scale: float) -> tuple[Tensor, Tensor]:
    """The gradients of ``x`` and of the offsets."""
    n, c, h, w = x.shape
    groups = offsets.shape[2]
    positions = _positions(x, offsets, start, scale)
    clamped = _clamp(positions, h, w)
    # beyond the border a sample stays where it is
    slope = (clamped == positions) * scale
    corners, (fx, fy) = _find_corners(clamped, h, w)
    rows, grad_rows = _rows(x, groups), _rows(grad_y.to(clamped.dtype), groups)

    nw, ne, sw, se = _score(grad_rows, rows, corners).unbind(1)
    by_fraction = torch.stack((torch.lerp(ne - nw, se - sw, fy), torch.lerp(sw - nw, se - ne, fx)))
    grad_offsets = torch.empty_like(offsets)
    torch.mul(_as_cells(by_fraction.view_as(slope)), _as_cells(slope), out=grad_offsets)
    grad_x = _gather(grad_rows, corners, _weights(fx, fy), len(rows))
    return grad_x.to(x.dtype).view(n, h, w, c).permute(0, 3, 1, 2), grad_offsets


def _rows(large: Tensor, groups: int) -> Tensor:
    """A map in channels-last as a table of what a group has of a pixel: (N·H·W·groups, C/groups).

    In float32 at least.
    """
    return large.to(compute_dtype(large)).permute(0, 2, 3, 1).reshape(
        -1, large.shape[1] // groups)


def _positions(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float) -> Tensor:
    """x and y of every sample in the order of the result's rows: (2, N, H, s, W, s, groups)."""
    n, _, groups, s, _, h, w = offsets.shape
    positions = torch.empty(2, n, h, s, w, s, groups, dtype=compute_dtype(x))
    write_positions(_as_cells(positions), offsets, start, scale)
    return positions


def _as_cells(positions: Tensor) -> Tensor:
    """(2, N, H, s, W, s, groups) as (N, 2, groups, s, s, H, W), a view."""
    return positions.permute(1, 0, 6, 3, 5, 2, 4)


def _clamp(positions: Tensor, h: int, w: int) -> Tensor:
    """Into 0..size − 1, and not a number to 0, as grid_sample does."""
    return torch.fmax(positions, positions.new_zeros(())).minimum(
        _of_axes((w - 1, h - 1), positions))


def _find_corners(clamped: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    """The rows of the four pixels around each sample, (samples, 4), and its fractions between them.

    Order is from left to right, then down; fractions are (2, samples).
    """
    n, groups = clamped.shape[1], clamped.shape[-1]
    dtype = torch.int32 if 4 * clamped[0].numel() < _WIDE else torch.int64
    first = clamped.floor()
    fractions = (clamped - first).flatten(1)
    first = first.to(dtype)
    steps = (groups, w * groups)
    to_next = (first < _of_axes((w - 1, h - 1), first)) * _of_axes(steps, first)
    image = torch.arange(n)[:, None] * (h * w * groups) + torch.arange(groups)
    image = image.to(dtype).view(n, 1, 1, 1, 1, groups)
    corners = torch.empty(*first.shape[1:], 4, dtype=dtype)
    torch.add(image, first[0], alpha=steps[0], out=corners[..., 0]).add_(first[1], alpha=steps[1])
    torch.add(corners[..., 0], to_next[0], out=corners[..., 1])
    torch.add(corners[..., :2], to_next[1, ..., None], out=corners[..., 2:])
    return corners.view(-1, 4), fractions


def _weights(fx: Tensor, fy: Tensor) -> Tensor:
    """Of the four corners: (samples, 4)."""
    weights = fx.new_empty(len(fx), 4)
    nw, ne, sw, se = weights.unbind(1)
    torch.mul(fx, fy, out=se)
    torch.sub(fy, se, out=sw)
    torch.sub(fx, se, out=ne)
    torch.sub(1 - fx, sw, out=nw)
    return weights


def _score(grad_rows: Tensor, rows: Tensor, corners: Tensor) -> Tensor:
    """Every sample's gradient times each of its four rows: (samples, 4)."""
    bags = torch.arange(len(corners), dtype=corners.dtype)
    return torch.ops.aten._embedding_bag_per_sample_weights_backward(
        grad_rows, rows, corners.flatten(), 4 * bags, bags.repeat_interleave(4), 0).view(-1, 4)


def _gather(grad_rows: Tensor, corners: Tensor, weights: Tensor, pixels: int) -> Tensor:
    """The sum, for every one of so many pixels, of the gradients of the samples that read it."""
    corners = corners.flatten()
    reads = torch.bincount(corners, minlength=pixels)
    order = corners.argsort(stable=True)
    return F.embedding_bag(order >> 2, grad_rows, reads.cumsum(0) - reads, mode='sum',
                           per_sample_weights=weights.flatten()[order])


def _of_axes(values: tuple[int, int], like: Tensor) -> Tensor:
    """One value for x and one for y, to go with (2, N, H, s, W, s, groups)."""
    return torch.tensor(values, dtype=like.dtype).view(2, 1, 1, 1, 1, 1, 1)
