"""Reassembly in PyTorch's own operations, for every device.

In eager mode it is a sum of k batched matrix products for every block of low-resolution cells:
with the feature in channels-last, the k neighbours of a cell in one row lie side by side, so that
an overlapping strided view serves as the batch and nothing is unfolded. A recorded graph gets the
sum over the k² shifts instead, which a compiler fuses into one loop and an exporter understands.
"""
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .backends import is_traced
from .dtypes import compute_dtype, memory_format_of

# bytes of a block's result that still stay in a core's cache
_BLOCK_BYTES = 1 << 21
# PyTorch takes plain loops on the CPU for batches of products with fewer multiplications
_SMALL_PRODUCT = 400


def carafe_native(x: Tensor, kernels: Tensor, kernel_size: int, groups: int,
                  scale_factor: int) -> Tensor:
    """See :func:`mmdyup.ops.carafe`; arguments are taken as checked."""
    if is_traced():
        return _shifted_sum(x, kernels, kernel_size, groups, scale_factor)
    return _BlockwiseReassembly.apply(x, kernels, kernel_size, groups, scale_factor)


def _shifted_sum(x: Tensor, kernels: Tensor, k: int, groups: int, s: int) -> Tensor:
    n, c, h, w = x.shape
    dtype = compute_dtype(x, kernels)
    r = k // 2
    # channels innermost: a weight then meets a whole vector of them
    padded = F.pad(x.to(dtype).permute(0, 2, 3, 1), (0, 0, r, r, r, r))
    padded = padded.reshape(n, h + k - 1, 1, w + k - 1, 1, groups, c // groups)
    m = kernels.to(dtype).reshape(n, groups, k * k, h, s, w, s).permute(2, 0, 3, 4, 5, 6, 1)
    y = sum(m[a * k + b, ..., None] * padded[:, a:a + h, :, b:b + w]
            for a in range(k) for b in range(k))
    return y.reshape(n, s * h, s * w, c).permute(0, 3, 1, 2).to(x.dtype)


class _BlockwiseReassembly(torch.autograd.Function):
    """Saves its two inputs and no more: the backward pass walks the same blocks anew."""

    @staticmethod
    def forward(ctx, x, kernels, kernel_size, groups, scale_factor):
        ctx.save_for_backward(x, kernels)
        ctx.sizes = kernel_size, groups, scale_factor
        dtype = compute_dtype(x, kernels)
        n, c, h, w = x.shape
        y = torch.empty((n, c, scale_factor * h, scale_factor * w), dtype=x.dtype,
                        device=x.device, memory_format=memory_format_of(x))
        with torch.autocast(x.device.type, enabled=False):
            for x_part, kernels_part, y_part in _parts(groups, x, kernels, y):
                _reassemble(x_part, kernels_part, y_part, kernel_size, scale_factor, dtype)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_y):
        x, kernels = ctx.saved_tensors
        kernel_size, groups, scale_factor = ctx.sizes
        dtype = compute_dtype(x, kernels)
        grad_x, grad_kernels = torch.empty_like(x), torch.empty_like(kernels)
        with torch.autocast(x.device.type, enabled=False):
            for parts in _parts(groups, x, kernels, grad_y, grad_x, grad_kernels):
                _reassemble_backward(*parts, kernel_size, scale_factor, dtype)
        return grad_x, grad_kernels, None, None, None


def _parts(groups: int, *maps: Tensor) -> Iterator[list[Tensor]]:
    """One image and one group of each map at a time, (channels, rows, columns), as views."""
    for image in range(maps[0].shape[0]):
        for group in range(groups):
            yield [part[image].chunk(groups)[group] for part in maps]


def _reassemble(x: Tensor, kernels: Tensor, y: Tensor, k: int, s: int,
                dtype: torch.dtype) -> None:
    padded = _pad_channels_last(x, k, dtype)
    rows = _rows_at_once(k, s, x.shape[0])
    for block in _blocks(x.shape, k, s, padded.element_size()):
        m = block.gather(kernels, dtype)
        total = torch.bmm(m[..., :rows * k], block.windows(padded, 0, rows))
        for a in range(rows, k, rows):
            total.baddbmm_(m[..., a * k:(a + rows) * k], block.windows(padded, a, rows))
        block.scatter(total, y)


def _reassemble_backward(x: Tensor, kernels: Tensor, grad_y: Tensor, grad_x: Tensor,
                         grad_kernels: Tensor, k: int, s: int, dtype: torch.dtype) -> None:
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
