"""Where a program and a tile stand.

A tile has two axes, columns or cells and channels, with those first that lie side by side in
memory: where the compiler cannot tell what is contiguous it gives neighbouring threads the first
axis. ``CHANNEL_AXIS`` is 0 in channels-last, else 1. Strides are in elements.
"""

import triton
import triton.language as tl


@triton.jit
def split_index(index, size):
    """A flat index as the one along its innermost axis, of ``size``, and the rest."""
    return index % size, index // size


@triton.jit
def tile_axes(channels, columns, CHANNEL_AXIS: tl.constexpr):
    """Two vectors as axes of a tile."""
    if CHANNEL_AXIS == 0:
        return channels[:, None], columns[None, :]
    else:
        return channels[None, :], columns[:, None]


@triton.jit
def find_cells(
    pid,
    c,
    groups,
    h,
    w,
    S: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    CHANNEL_AXIS: tl.constexpr,
):
    """Where a program stands that has ROWS·COLUMNS of the S² places of BLOCK_H·BLOCK_W cells.

    Returns the channels ``c`` and the cells' rows and columns as axes of a tile, the first place
    in the cells, group and image.
    """
    w0, pid = split_index(pid, tl.cdiv(w, BLOCK_W))
    h0, pid = split_index(pid, tl.cdiv(h, BLOCK_H))
    j, pid = split_index(pid, S // COLUMNS)
    i, pid = split_index(pid, S // ROWS)
    group, image = split_index(pid, groups)
    cell = tl.arange(0, BLOCK_H * BLOCK_W)
    _, row = tile_axes(c, h0 * BLOCK_H + cell // BLOCK_W, CHANNEL_AXIS)
    c, column = tile_axes(c, w0 * BLOCK_W + cell % BLOCK_W, CHANNEL_AXIS)
    return c, row, column, i * ROWS, j * COLUMNS, group, image


@triton.jit
def distance(channels, strides, INDEX: tl.constexpr):
    """How far so many channels reach: the product of two narrow numbers would be narrow too."""
    return tl.full((), channels, INDEX) * strides[1]


@triton.jit
def clamp(index, size):
    """Into 0..size − 1."""
    return tl.minimum(tl.maximum(index, 0), size - 1)
