"""Tuples of tiles that hold the kernels of some places of cells, those of a tap together."""

import triton
import triton.language as tl

from .index import distance
from .places import load_places
from .positions import corner_weights, find_corners, load_corners


@triton.jit
def load_kernels(
    m,
    row,
    column,
    i,
    j,
    inside,
    strides,
    K: tl.constexpr,
    S: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DTYPE: tl.constexpr,
    INDEX: tl.constexpr,
):
    """Large kernels, of the places from (i, j) on of the cells (row, column)."""
    m += (row * S + i) * strides[2] + (column * S + j) * strides[3]
    weights = ()
    for tap in tl.static_range(K * K):
        weights = weights + load_places(
            m + distance(tap, strides, INDEX), strides, inside, ROWS, COLUMNS, DTYPE
        )
    return weights


@triton.jit
def expand_kernels(
    m,
    o,
    row,
    column,
    i,
    j,
    inside,
    h,
    w,
    m_strides,
    o_strides,
    K: tl.constexpr,
    S: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DTYPE: tl.constexpr,
    INDEX: tl.constexpr,
):
    """Such kernels sampled from the small kernel space ``m`` at the offsets ``o``."""
    o += (row * S + i) * o_strides[2] + (column * S + j) * o_strides[3]
    columns = load_places(o, o_strides, inside, ROWS, COLUMNS, DTYPE)
    rows = load_places(o + o_strides[1], o_strides, inside, ROWS, COLUMNS, DTYPE)
    weights = ()
    for tap in tl.static_range(K * K):
        for place in tl.static_range(ROWS * COLUMNS):
            left, top, fx, fy, right, below = find_corners(
                column + columns[place], row + rows[place], h, w, INDEX
            )
            w_nw, w_ne, w_sw, w_se = corner_weights(fx, fy)
            corner = (m + distance(tap, m_strides, INDEX)) + (
                top * m_strides[2] + left * m_strides[3]
            )
            nw, ne, sw, se = load_corners(corner, m_strides, right, below, inside, DTYPE)
            weights = weights + (w_nw * nw + w_ne * ne + w_sw * sw + w_se * se,)
    return weights


@triton.jit
def softmax_kernels(logits, TAPS: tl.constexpr, PLACES: tl.constexpr):
    """The softmax over taps."""
    weights = logits
    for place in tl.static_range(PLACES):
        peak = logits[place]
        for tap in tl.static_range(1, TAPS):
            peak = tl.maximum(peak, logits[tap * PLACES + place])
        total = tl.zeros(peak.shape, peak.dtype)
        powers = ()
        for tap in tl.static_range(TAPS):
            power = tl.exp(logits[tap * PLACES + place] - peak)
            total += power
            powers = powers + (power,)
        new = ()
        for index in tl.static_range(TAPS * PLACES):
            if index % PLACES == place:
                new = new + (powers[index // PLACES] / total,)
            else:
                new = new + (weights[index],)
        weights = new
    return weights


@triton.jit
def mask_rows(weights, row, h, K: tl.constexpr, PLACES: tl.constexpr):
    """The kernels of the cells in ``row``, 0 for taps above or below the map."""
    masked = ()
    for tap in tl.static_range(K * K):
        near_row = row + tap // K - K // 2
        for place in tl.static_range(PLACES):
            masked = masked + (
                tl.where((near_row >= 0) & (near_row < h), weights[tap * PLACES + place], 0.0),
            )
    return masked
