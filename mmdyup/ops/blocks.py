"""The k×k neighbourhoods of a map's pixels, block by block of low-resolution cells.

A block's work is k batched matrix products: with the map in channels-last, the k neighbours of a
cell in one row lie side by side, so that an overlapping strided view serves as the batch and
nothing is unfolded.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# bytes of a block's result that still stay in a core's cache
_BLOCK_BYTES = 1 << 21
# PyTorch takes plain loops on the CPU for batches of products with fewer multiplications
_SMALL_PRODUCT = 400


def pad_channels_last(x: Tensor, k: int, dtype: torch.dtype) -> Tensor:
    """(H + k, W + k − 1, C): the map within zeros, with a row more for the last view's end."""
    c, h, w = x.shape
    r = k // 2
    padded = x.new_zeros(h + k, w + k - 1, c, dtype=dtype)
    padded[r : r + h, r : r + w] = x.permute(1, 2, 0)
    return padded


def blocks(shape: torch.Size, k: int, s: int, itemsize: int) -> Iterator['Block']:
    """All cells of a map (C, H, W) in turn: whole rows where these fit a block, else parts."""
    c, h, w = shape
    cells = max(1, _BLOCK_BYTES // (s * s * c * itemsize))
    rows = max(1, cells // (w + k - 1))
    width = w if rows > 1 else min(w, cells)
    for top in range(0, h, rows):
        for left in range(0, w, width):
            yield Block(k, s, top, min(rows, h - top), left, min(width, w - left), w + k - 1)


class Block(NamedTuple):
    """Low-resolution cells: ``rows`` from ``top`` on, and in each ``width`` from ``left`` on."""

    k: int
    s: int
    top: int
    rows: int
    left: int
    width: int
    padded_width: int

    @property
    def row_step(self) -> int:
        """Cells from one row to the next; those between two whole rows are padding."""
        return self.padded_width if self.rows > 1 else self.width

    def reassemble(self, padded: Tensor, m: Tensor) -> Tensor:
        """Neighbourhoods weighted by ``m``, (cells, s², k²), and summed: (cells, s², C)."""
        total = None
        for a, rows, part in self._products(padded):
            windows = self._windows(padded, a, rows)
            if total is None:
                total = torch.bmm(m[..., part], windows)
            else:
                total.baddbmm_(m[..., part], windows)
        return total

    def score(self, padded: Tensor, values: Tensor) -> Tensor:
        """Products of ``values``, (cells, s², C), with their neighbourhood: (cells, s², k²)."""
        scores = values.new_empty(*values.shape[:2], self.k**2)
        for a, rows, part in self._products(padded):
            windows = self._windows(padded, a, rows)
            scores[..., part] = torch.bmm(values, windows.transpose(1, 2))
        return scores

    def spread(self, padded: Tensor, m: Tensor, values: Tensor) -> None:
        """Adds ``values``, (cells, s², C), to their neighbourhood, weighted by ``m``."""
        for a, rows, part in self._products(padded):
            spread = torch.bmm(m[..., part].transpose(1, 2), values)
            spread = spread.unflatten(1, (rows, self.k))
            # one neighbour at a time: only the windows of different neighbours overlap
            for row in range(rows):
                for b in range(self.k):
                    self._windows(padded, a + row, 1)[:, b] += spread[:, row, b]

    def gather(self, large: Tensor, dtype: torch.dtype) -> Tensor:
        """The block of a map at the upsampled size, (cells, s², channels), padding zero."""
        s = self.s
        values = large.new_zeros(self.rows, self.row_step, s, s, large.shape[0], dtype=dtype)
        values[:, : self.width] = self._cut(large).permute(1, 3, 2, 4, 0)
        return values.view(self.rows * self.row_step, s * s, -1)

    def scatter(self, values: Tensor, large: Tensor) -> None:
        """Writes (cells, s², channels) to the block of a map at the upsampled size."""
        s = self.s
        values = values.view(self.rows, self.row_step, s, s, -1)[:, : self.width]
        self._cut(large).copy_(values.permute(4, 0, 2, 1, 3))

    def _cut(self, large: Tensor) -> Tensor:
        """A map's part over the block as (channels, rows, s, width, s), a view."""
        s = self.s
        rows = slice(self.top * s, (self.top + self.rows) * s)
        columns = slice(self.left * s, (self.left + self.width) * s)
        return large[:, rows, columns].unflatten(1, (self.rows, s)).unflatten(3, (self.width, s))

    def _products(self, padded: Tensor) -> Iterator[tuple[int, int, slice]]:
        """The rows of a neighbourhood that meet in each product, and their part of k² weights.

        It is one row, which needs no copy, unless a cell's product is small.
        """
        k = self.k
        rows = 1 if k * self.s**2 * padded.shape[-1] >= _SMALL_PRODUCT else k
        for a in range(0, k, rows):
            yield a, rows, slice(a * k, (a + rows) * k)

    def _windows(self, padded: Tensor, a: int, rows: int) -> Tensor:
        """``rows`` of every cell's neighbourhood in ``padded``, from ``a`` on: (cells, rows·k, C).

        A single row is a view.
        """
        c = padded.shape[-1]
        row_size = self.padded_width * c
        start = (self.top + a) * row_size + self.left * c
        view = padded.as_strided(
            (self.rows * self.row_step, rows, self.k, c), (c, row_size, c, 1), start
        )
        return view.flatten(1, 2)
