"""The contractions in PyTorch's own operations, for every device.

Each is a batched matrix product of a cell's s² places with the window of k² pixels around it. The
work goes by blocks of rows, as windows take k² times the memory of the map.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..sampling import pairs_as_cells
from ..sampling.native import sample
from ..tensors import (
    compute_dtype,
    join_cells,
    softmax_kernels,
    split_cells,
    without_autocast,
)

# Bytes of a block's windows: on the CPU what a core's cache holds, elsewhere as much as leaves a
# few large operations.
_CPU_BYTES, _BYTES = 1 << 20, 1 << 28


@without_autocast
def reassemble(
    x: Tensor,
    kernels: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    softmax: bool,
    y: Tensor,
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    k, s = kernel_size, scale_factor
    if softmax:
        kernels = softmax_kernels(kernels, groups)
    inner = compute_dtype(x, kernels)
    for x_, kernels_, y_ in _each_group(groups, x, kernels, y):
        padded = _pad(x_, k, inner)
        for block in _blocks(padded, k):
            weights = _places(_rows(kernels_, s, block).to(inner), s)
            _put(y_, s, block, weights @ _windows(padded, k, block))


@without_autocast
def scores(
    x: Tensor,
    y: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    kernels: Tensor,
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    k, s = kernel_size, scale_factor
    inner = compute_dtype(x, y)
    for x_, y_, kernels_ in _each_group(groups, x, y, kernels):
        padded = _pad(x_, k, inner)
        for block in _blocks(padded, k):
            values = _places(_rows(y_, s, block).to(inner), s)
            _put(kernels_, s, block, values @ _windows(padded, k, block).transpose(3, 4))


@without_autocast
def spread(
    kernels: Tensor,
    y: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    x: Tensor,
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    k, s, r = kernel_size, scale_factor, kernel_size // 2
    h, w = x.shape[2:]
    inner = compute_dtype(kernels, y)
    for kernels_, y_, x_ in _each_group(groups, kernels, y, x):
        padded = y_.new_zeros(len(y_), h + k - 1, w + k - 1, y_.shape[1], dtype=inner)
        for block in _blocks(padded, k):
            weights, values = (_places(_rows(z, s, block).to(inner), s) for z in (kernels_, y_))
            windows = weights.transpose(3, 4) @ values
            for tap, pixels in enumerate(_taps(padded, k, block)):
                pixels += windows[..., tap, :]
        x_.copy_(padded[:, r : r + h, r : r + w].permute(0, 3, 1, 2))


@without_autocast
def expand_and_reassemble(
    x: Tensor,
    kernels: Tensor,
    offsets: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    y: Tensor,
) -> None:
    """See :func:`mmdyup.ops.expand_and_reassemble`."""
    small = kernels.to(compute_dtype(x, kernels))
    cells = pairs_as_cells(offsets, scale_factor, groups)
    large = sample(small, cells, None, 1.0)
    reassemble(x, large, kernel_size, groups, scale_factor, False, y)


def multiply_windows(x: Tensor, kernels: Tensor, k: int, groups: int, s: int) -> Tensor:
    """Reassembly as matrix products alone, which counters of operations know in a graph."""
    n, c, h, w = x.shape
    dtype = compute_dtype(x, kernels)
    x_ = x.to(dtype).reshape(n * groups, c // groups, h, w)
    kernels_ = kernels.to(dtype).reshape(n * groups, k * k, s * h, s * w)
    windows = _windows(_pad(x_, k, dtype), k, (0, h))
    y = join_cells(_as_cells(_places(kernels_, s) @ windows, s))
    return y.reshape(n, c, s * h, s * w).to(x.dtype)


def score_windows(x: Tensor, y: Tensor, k: int, s: int) -> Tensor:
    """The same for scores, of one group."""
    dtype = compute_dtype(x, y)
    windows = _windows(_pad(x, k, dtype), k, (0, x.shape[2])).transpose(3, 4)
    return join_cells(_as_cells(_places(y.to(dtype), s) @ windows, s)).to(y.dtype)


def sum_shifts(x: Tensor, kernels: Tensor, k: int, groups: int, s: int) -> Tensor:
    """Reassembly as the sum over k² shifts of the map, a graph that needs little memory."""
    n, c, h, w = x.shape
    dtype = compute_dtype(x, kernels)
    # channels innermost: a weight then meets a whole vector of them
    padded = _pad(x, k, dtype).reshape(n, h + k - 1, 1, w + k - 1, 1, groups, c // groups)
    m = kernels.to(dtype).reshape(n, groups, k * k, h, s, w, s).permute(2, 0, 3, 4, 5, 6, 1)
    y = sum(
        m[a * k + b, ..., None] * padded[:, a : a + h, :, b : b + w]
        for a in range(k)
        for b in range(k)
    )
    return y.reshape(n, s * h, s * w, c).permute(0, 3, 1, 2).to(x.dtype)


def _each_group(groups: int, *maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """One group of channels of each map, as views."""
    return zip(*(part.chunk(groups, 1) for part in maps), strict=True)


def _pad(x: Tensor, k: int, dtype: torch.dtype) -> Tensor:
    """(N, C, H, W) within zeros, (N, H + k − 1, W + k − 1, C)."""
    r = k // 2
    return F.pad(x.to(dtype).permute(0, 2, 3, 1), (0, 0, r, r, r, r))


def _blocks(padded: Tensor, k: int) -> Iterator[tuple[int, int]]:
    """The first row of cells and their number, of blocks whose windows take so many bytes."""
    h = padded.shape[1] - k + 1
    room = _CPU_BYTES if padded.device.type == 'cpu' else _BYTES
    row = k * k * padded.element_size() * padded[:, 0].numel()
    rows = max(1, room // row)
    return ((top, min(rows, h - top)) for top in range(0, h, rows))


def _taps(padded: Tensor, k: int, block: tuple[int, int]) -> Iterator[Tensor]:
    """For each of the k² taps the pixels that it meets, (N, rows, W, C), as views."""
    (top, rows), w = block, padded.shape[2] - k + 1
    for a in range(k):
        for b in range(k):
            yield padded[:, top + a : top + a + rows, b : b + w]


def _windows(padded: Tensor, k: int, block: tuple[int, int]) -> Tensor:
    """The pixels around every cell of a block, (N, rows, W, k², C)."""
    return torch.stack(list(_taps(padded, k, block)), 3)


def _rows(large: Tensor, s: int, block: tuple[int, int]) -> Tensor:
    """A block of a map at the upsampled size, (N, A, s·rows, sW), a view."""
    top, rows = block
    return large[:, :, s * top : s * (top + rows)]


def _places(large: Tensor, s: int) -> Tensor:
    """(N, A, sH, sW) as (N, H, W, s², A)."""
    return split_cells(large, s).permute(0, 2, 4, 3, 5, 1).flatten(3, 4)


def _as_cells(places: Tensor, s: int) -> Tensor:
    """(N, H, W, s², A) as (N, A, H, s, W, s)."""
    return places.unflatten(3, (s, s)).permute(0, 5, 1, 3, 2, 4)


def _put(large: Tensor, s: int, block: tuple[int, int], places: Tensor) -> None:
    split_cells(_rows(large, s, block), s).copy_(_as_cells(places, s))
