"""The kernel of reassembly's gradient with respect to the large kernels, without atomics.

A thread keeps the gradient of a cell's kernels while channels go by.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tensors import compute_dtype
from .index import clamp, distance, find_cells
from .launch import choose_numbers, choose_places, choose_sums_tile, count_programs, launch
from .places import load_places, store_places, zero_tiles


@triton.jit
def grad_kernels_kernel(
    grad_m,
    x,
    grad_y,
    groups,
    h,
    w,
    m_strides,
    x_strides,
    y_strides,
    K: tl.constexpr,
    S: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK_C: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    CHANNEL_AXIS: tl.constexpr,
    DTYPE: tl.constexpr,
    INDEX: tl.constexpr,
):
    """grad_m at ROWS·COLUMNS places of BLOCK_H·BLOCK_W cells.

    A tile's axes are cells and channels, as CHANNEL_AXIS says, and between them the WIDTH channels
    of one access, which a thread sums by itself.
    """
    PLACES: tl.constexpr = ROWS * COLUMNS
    c, row, column, i, j, group, image = find_cells(
        tl.program_id(0).to(INDEX),
        tl.arange(0, BLOCK_C // WIDTH) * WIDTH,
        groups,
        h,
        w,
        S,
        ROWS,
        COLUMNS,
        BLOCK_H,
        BLOCK_W,
        CHANNEL_AXIS,
    )
    c, row, column = c[:, None, :], row[:, None, :], column[:, None, :]
    c += tl.arange(0, WIDTH)[None, :, None]
    inside = (row < h) & (column < w)

    u, v = row * S + i, column * S + j
    x += image * x_strides[0] + (group * CHANNELS + c) * x_strides[1] + column * x_strides[3]
    grad_y += (
        image * y_strides[0]
        + (group * CHANNELS + c) * y_strides[1]
        + u * y_strides[2]
        + v * y_strides[3]
    )
    totals = zero_tiles(K * K * PLACES, tl.sum(row + c, 1), DTYPE)
    for _ in range(0, CHANNELS, BLOCK_C):
        mask_c = c < CHANNELS
        grads = load_places(
            grad_y,
            y_strides,
            inside & mask_c if CHANNELS % BLOCK_C else inside,
            ROWS,
            COLUMNS,
            DTYPE,
        )
        new = ()
        for a in tl.static_range(K):
            near_row = clamp(row + a - K // 2, h)
            for b in tl.static_range(K):
                near = column + b - K // 2
                mask = (near >= 0) & (near < w)
                values = tl.load(
                    x + near_row * x_strides[2] + (b - K // 2) * x_strides[3],
                    mask=mask & mask_c if CHANNELS % BLOCK_C else mask,
                    other=0.0,
                ).to(DTYPE)
                for place in tl.static_range(PLACES):
                    new = new + (
                        totals[(a * K + b) * PLACES + place] + tl.sum(values * grads[place], 1),
                    )
        totals = new
        c += BLOCK_C
        x += distance(BLOCK_C, x_strides, INDEX)
        grad_y += distance(BLOCK_C, y_strides, INDEX)

    row, column = tl.max(row, 1), tl.max(column, 1)
    inside = (row < h) & (column < w)
    grad_m += (
        image * m_strides[0]
        + group * K * K * m_strides[1]
        + (row * S + i) * m_strides[2]
        + (column * S + j) * m_strides[3]
    )
    for tap in tl.static_range(K * K):
        near_row, near = row + tap // K - K // 2, column + tap % K - K // 2
        # what lies outside the map counts as 0, also where a gradient is not a number
        mask = (near_row >= 0) & (near_row < h) & (near >= 0) & (near < w)
        scores = ()
        for place in tl.static_range(PLACES):
            score = tl.sum(totals[tap * PLACES + place], CHANNEL_AXIS, keep_dims=True)
            scores = scores + (tl.where(mask, score, 0.0),)
        store_places(
            grad_m + distance(tap, m_strides, INDEX), m_strides, scores, inside, ROWS, COLUMNS
        )


def run_grad_kernels(
    grad_y: Tensor, x: Tensor, m: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> Tensor:
    """The gradient of reassembly with respect to the large kernels ``m``."""
    _, _, h, w = x.shape
    s, grad_m = scale_factor, torch.empty_like(m)
    rows, columns = choose_places(kernel_size, s)
    multiple = groups * (s // rows) * (s // columns)
    tile = choose_sums_tile(x, groups, multiple)
    launch(
        grad_kernels_kernel,
        count_programs(x, multiple, tile),
        grad_m,
        x,
        grad_y,
        groups,
        h,
        w,
        grad_m.stride(),
        x.stride(),
        grad_y.stride(),
        K=kernel_size,
        S=s,
        ROWS=rows,
        COLUMNS=columns,
        **tile,
        **choose_numbers(compute_dtype(x, m), x, grad_m, grad_y),
    )
    return grad_m
