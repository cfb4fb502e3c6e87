"""Sampled positions, and bilinear samples there."""

import triton
import triton.language as tl


@triton.jit
def load_positions(
    o,
    start,
    image,
    group,
    groups,
    row,
    column,
    i,
    j,
    mask,
    strides,
    S: tl.constexpr,
    SCALE: tl.constexpr,
    HAS_START: tl.constexpr,
    DTYPE: tl.constexpr,
):
    """Columns and rows of the samples for the places (i, j) of the cells (row, column).

    ``strides`` are those of (N, 2, groups, s, s, H, W), ``start`` has no gaps. No product is left
    to be fused or not, so every kernel gets the same to the last bit.
    """
    o += (
        image * strides[0]
        + group * strides[2]
        + i * strides[3]
        + j * strides[4]
        + row * strides[5]
        + column * strides[6]
    )
    by_column = tl.load(o, mask=mask, other=0.0).to(DTYPE)
    by_row = tl.load(o + strides[1], mask=mask, other=0.0).to(DTYPE)
    scale = tl.full(by_column.shape, SCALE, DTYPE)
    columns = tl.fma(by_column, scale, tl.zeros(by_column.shape, DTYPE) + column)
    rows = tl.fma(by_row, scale, tl.zeros(by_row.shape, DTYPE) + row)
    if HAS_START:
        place = (group * S + i) * S + j
        columns += tl.load(start + place).to(DTYPE)
        rows += tl.load(start + groups * S * S + place).to(DTYPE)
    return columns, rows


@triton.jit
def clamp_position(position, size):
    """Into 0..size − 1, and not a number to 0, so that no index leaves the map."""
    position = tl.where(position > 0, position, 0.0)
    return tl.where(position < size - 1, position, size - 1)


@triton.jit
def find_corners(column, row, h, w, INDEX: tl.constexpr):
    """The pixel above and to the left of a position, the fractions beyond it, and whether there
    is a pixel to the right and one below. Positions beyond the border are clamped to it."""
    column, row = clamp_position(column, w), clamp_position(row, h)
    left, top = column.to(INDEX), row.to(INDEX)
    return left, top, column - left, row - top, left + 1 < w, top + 1 < h


@triton.jit
def load_corners(corner, strides, right, below, mask, DTYPE: tl.constexpr):
    """The four pixels around positions, where ``corner`` points to the first; 0 where none is."""
    return (
        tl.load(corner, mask=mask, other=0.0).to(DTYPE),
        tl.load(corner + strides[3], mask=mask & right, other=0.0).to(DTYPE),
        tl.load(corner + strides[2], mask=mask & below, other=0.0).to(DTYPE),
        tl.load(corner + (strides[2] + strides[3]), mask=mask & right & below, other=0.0).to(DTYPE),
    )


@triton.jit
def corner_weights(fx, fy):
    """Those of the four pixels around a position."""
    return (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy


@triton.jit
def add_to_corners(corner, strides, grad, fx, fy, right, below, mask):
    """Adds what samples give to the four pixels around them, atomically."""
    w_nw, w_ne, w_sw, w_se = corner_weights(fx, fy)
    tl.atomic_add(corner, w_nw * grad, mask=mask, sem='relaxed')
    tl.atomic_add(corner + strides[3], w_ne * grad, mask=mask & right, sem='relaxed')
    tl.atomic_add(corner + strides[2], w_sw * grad, mask=mask & below, sem='relaxed')
    tl.atomic_add(
        corner + (strides[2] + strides[3]), w_se * grad, mask=mask & right & below, sem='relaxed'
    )
