"""The kernel of gradients with respect to a feature: each pixel gathers its parts from the cells
around it, without atomics.

A program goes down a strip of rows of cells, and adds each cell's part to the K rows of pixels
around it; a row that has all its parts is stored.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tensors import is_channels_last
from .index import distance, split_index, tile_axes
from .launch import choose_numbers, choose_tile, launch
from .places import load_places, zero_tiles
from .positions import find_corners, load_positions

# Columns times channels of a program, by K: a thread keeps K sums of 16 or 8 of them.
_ELEMENTS = {3: 2048}
_FEW_ELEMENTS = 1024
# Rows of a strip. It visits K − 1 rows of cells more, so long strips save work, short ones run
# beside each other.
_ROWS = 16


@triton.jit
def is_near(left, top, row, column):
    """Whether the four pixels around a sample are among the nine around its cell."""
    return (left >= column - 1) & (left <= column) & (top >= row - 1) & (top <= row)


@triton.jit
def hat(gap):
    """The weight of a pixel in a linear interpolation, by its distance from the sample."""
    return tl.maximum(1 - tl.abs(gap), 0.0)


@triton.jit
def spread_kernel(
    grad_x,
    m,
    start,
    grad_y,
    groups,
    h,
    w,
    x_strides,
    m_strides,
    y_strides,
    K: tl.constexpr,
    S: tl.constexpr,
    SAMPLED: tl.constexpr,
    SCALE: tl.constexpr,
    HAS_START: tl.constexpr,
    STRIP: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_W: tl.constexpr,
    CHANNEL_AXIS: tl.constexpr,
    DTYPE: tl.constexpr,
    INDEX: tl.constexpr,
):
    """grad_x for a tile of columns and channels in STRIP rows, COLUMNS places of a cell at a time.

    Without SAMPLED, m holds reassembly kernels of K². With it, m holds offsets, and K is 3: what
    samples gave that are not near their cell is left out.
    """
    c0, pid = split_index(tl.program_id(0).to(INDEX), tl.cdiv(CHANNELS, BLOCK_C))
    w0, pid = split_index(pid, tl.cdiv(w, BLOCK_W))
    h0, pid = split_index(pid, tl.cdiv(h, STRIP))
    group, image = split_index(pid, groups)
    c, column = tile_axes(
        c0 * BLOCK_C + tl.arange(0, BLOCK_C), w0 * BLOCK_W + tl.arange(0, BLOCK_W), CHANNEL_AXIS
    )
    mask_c = c < CHANNELS
    grad_x += image * x_strides[0] + (group * CHANNELS + c) * x_strides[1] + column * x_strides[3]
    grad_y += image * y_strides[0] + (group * CHANNELS + c) * y_strides[1]
    if not SAMPLED:
        m += image * m_strides[0] + group * K * K * m_strides[1]

    first, end = h0 * STRIP, tl.minimum(h0 * STRIP + STRIP, h)
    totals = zero_tiles(K, c + column, DTYPE)
    row = first - K // 2
    while row < end + K // 2:
        # a row outside the map has no places
        place = tl.where((row >= 0) & (row < h), 0, S * (S // COLUMNS)).to(INDEX)
        while place < S * (S // COLUMNS):
            i, j = place // (S // COLUMNS), place % (S // COLUMNS) * COLUMNS
            for b in tl.static_range(K):
                cell = column - b + K // 2
                mask = (cell >= 0) & (cell < w)
                u, v = row * S + i, cell * S + j
                grads = load_places(
                    grad_y + (u * y_strides[2] + v * y_strides[3]),
                    y_strides,
                    mask & mask_c if CHANNELS % BLOCK_C else mask,
                    1,
                    COLUMNS,
                    DTYPE,
                )
                if SAMPLED:
                    for p in tl.static_range(COLUMNS):
                        x, y = load_positions(
                            m,
                            start,
                            image,
                            group,
                            groups,
                            row,
                            cell,
                            i,
                            j + p,
                            mask,
                            m_strides,
                            S,
                            SCALE,
                            HAS_START,
                            DTYPE,
                        )
                        left, top, fx, fy, _, _ = find_corners(x, y, h, w, INDEX)
                        weight = tl.where(
                            mask & is_near(left, top, row, cell), hat((left - column) + fx), 0.0
                        )
                        new = ()
                        for a in tl.static_range(K):
                            # what is not a number stays with the pixels that the sample read
                            part = weight * hat((top - row - a + K // 2) + fy)
                            new = new + (
                                tl.where(part > 0, totals[a] + part * grads[p], totals[a]),
                            )
                        totals = new
                else:
                    plane = m + (
                        distance(b, m_strides, INDEX) + u * m_strides[2] + v * m_strides[3]
                    )
                    new = ()
                    for a in tl.static_range(K):
                        weights = load_places(
                            plane + distance(a * K, m_strides, INDEX),
                            m_strides,
                            mask,
                            1,
                            COLUMNS,
                            DTYPE,
                        )
                        total = totals[a]
                        for p in tl.static_range(COLUMNS):
                            total += weights[p] * grads[p]
                        new = new + (total,)
                    totals = new
            place += 1
        done = row - K // 2
        tl.store(
            grad_x + done * x_strides[2], totals[0], mask=(done >= first) & (column < w) & mask_c
        )
        totals = totals[1:] + zero_tiles(1, totals[0], DTYPE)
        row += 1


def run_spread(
    grad_x: Tensor,
    grad_y: Tensor,
    m: Tensor,
    dtype: torch.dtype,
    kernel_size: int,
    groups: int,
    start: Tensor | None = None,
    scale: float | None = None,
) -> None:
    """Writes ``grad_x``, of reassembly by the kernels ``m``, or, given ``scale``, of sampling.

    Of sampling at the offsets ``m`` it is what the samples near their cells gave, with 3 as
    ``kernel_size``. It is summed in ``dtype``.
    """
    n, c, h, w = grad_x.shape
    s = grad_y.shape[3] // w
    tile = choose_tile(
        c // groups, w, is_channels_last(grad_x), _ELEMENTS.get(kernel_size, _FEW_ELEMENTS)
    )
    programs = (
        n
        * groups
        * triton.cdiv(h, _ROWS)
        * triton.cdiv(w, tile['BLOCK_W'])
        * triton.cdiv(c // groups, tile['BLOCK_C'])
    )
    launch(
        spread_kernel,
        programs,
        grad_x,
        m,
        start,
        grad_y,
        groups,
        h,
        w,
        grad_x.stride(),
        m.stride(),
        grad_y.stride(),
        K=kernel_size,
        S=s,
        SAMPLED=scale is not None,
        SCALE=scale,
        HAS_START=start is not None,
        STRIP=_ROWS,
        COLUMNS=math.gcd(s, 2),
        **tile,
        **choose_numbers(dtype, grad_x, m, grad_y),
    )
