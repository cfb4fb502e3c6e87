"""Reassembly of one image's group of channels, block by block of low-resolution cells.

A block is a sum of k batched matrix products: with the feature in channels-last, the k neighbours
of a cell in one row lie side by side, so that an overlapping strided view serves as the batch and
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


def reassemble_part(x: Tensor, kernels: Tensor, y: Tensor, k: int, s: int,
                    dtype: torch.dtype) -> None:
    """Reassembles one image's group of channels into ``y``.

    Args:
        x: (C, H, W).
        kernels: (k², sH, sW).
        y: (C, sH, sW), written.
        k: The kernel size.
        s: The upsampling ratio.
        dtype: What to compute in.
    """
    padded = _pad_channels_last(x, k, dtype)
    rows = _rows_at_once(k, s, x.shape[0])
    for block in _blocks(x.shape, k, s, padded.element_size()):
        m = block.gather(kernels, dtype)
        total = torch.bmm(m[..., :rows * k], block.windows(padded, 0, rows))
        for a in range(rows, k, rows):
            total.baddbmm_(m[..., a * k:(a + rows) * k], block.windows(padded, a, rows))
        block.scatter(total, y)


def reassemble_part_backward(x: Tensor, kernels: Tensor, grad_y: Tensor, grad_x: Tensor,
                             grad_kernels: Tensor, k: int, s: int, dtype: torch.dtype) -> None:
    """The gradients of :func:`reassemble_part`, written into ``grad_x`` and ``grad_kernels``."""
    padded = _pad_channels_last(x, k, dtype)
    grad_padded = torch.zeros_like(padded)
    rows = _rows_at_once(k, s, x.shape[0])
    for block in _blocks(x.shape, k, s, padded.element_size()):
        m, grad = block.gather(kernels, dtype), block.gather(grad_y, dtype)
        grad_m = torch.empty_like(m)
        for a in range(0, k, rows):
            part = slice(a * k, (a + rows) * k)
            windows = block.windows(padded, a, rows)
            grad_m[..., part] = torch.bmm(grad, windows.transpose(1, 2))
            grad_windows = torch.bmm(m[..., part].transpose(1, 2), grad).unflatten(1, (rows, k))
            # one neighbour at a time: only the windows of different neighbours overlap
            for row in range(rows):
                for b in range(k):
                    block.windows(grad_padded, a + row)[:, b] += grad_windows[:, row, b]
        block.scatter(grad_m, grad_kernels)
    r, (_, h, w) = k // 2, x.shape
    grad_x.copy_(grad_padded[r:r + h, r:r + w].permute(2, 0, 1))


def _rows_at_once(k: int, s: int, c: int) -> int:
    """Rows of a neighbourhood in one product: one, which needs no copy, unless that is tiny."""
    return 1 if k * s * s * c >= _SMALL_PRODUCT else k


def _pad_channels_last(x: Tensor, k: int, dtype: torch.dtype) -> Tensor:
    """(H + k, W + k − 1, C): the map within zeros, with a row more for the last view's end."""
    c, h, w = x.shape
    r = k // 2
    padded = x.new_zeros(h + k, w + k - 1, c, dtype=dtype)
    padded[r:r + h, r:r + w] = x.permute(1, 2, 0)
    return padded


def _blocks(shape: torch.Size, k: int, s: int, itemsize: int) -> Iterator['_Block']:
    """All cells in turn: whole rows of them where these fit a block, else parts of a row."""
    c, h, w = shape
    cells = max(1, _BLOCK_BYTES // (s * s * c * itemsize))
    rows = max(1, cells // (w + k - 1))
    width = w if rows > 1 else min(w, cells)
    for top in range(0, h, rows):
        for left in range(0, w, width):
            yield _Block(k, s, top, min(rows, h - top), left, min(width, w - left), w + k - 1)


class _Block(NamedTuple):
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

    def windows(self, padded: Tensor, a: int, rows: int = 1) -> Tensor:
        """Rows of every cell's neighbourhood in ``padded``, from ``a`` on: (cells, rows·k, C).

        A single row is a view.
        """
        c = padded.shape[-1]
        row_size = self.padded_width * c
        start = (self.top + a) * row_size + self.left * c
        view = padded.as_strided((self.rows * self.row_step, rows, self.k, c),
                                 (c, row_size, c, 1), start)
        return view.flatten(1, 2)

    def gather(self, large: Tensor, dtype: torch.dtype) -> Tensor:
        """The block of a map at the upsampled size, (cells, s², channels), padding zero."""
        s = self.s
        values = large.new_zeros(self.rows, self.row_step, s, s, large.shape[0], dtype=dtype)
        values[:, :self.width] = self._cut(large).permute(1, 3, 2, 4, 0)
        return values.view(self.rows * self.row_step, s * s, -1)

    def scatter(self, values: Tensor, large: Tensor) -> None:
        """Writes (cells, s², channels) to the block of a map at the upsampled size."""
        s = self.s
        values = values.view(self.rows, self.row_step, s, s, -1)[:, :self.width]
        self._cut(large).copy_(values.permute(4, 0, 2, 1, 3))

    def _cut(self, large: Tensor) -> Tensor:
        """A map's part over the block as (channels, rows, s, width, s), a view."""
        s = self.s
        rows = slice(self.top * s, (self.top + self.rows) * s)
        columns = slice(self.left * s, (self.left + self.width) * s)
        return large[:, rows, columns].unflatten(1, (self.rows, s)).unflatten(3, (self.width, s))
