"""Bilinear samples around cells by Triton kernels.

Positions stay in registers: no grid is stored. The forward pass is deterministic. In the backward
pass each pixel gathers from the samples near their cells; those further away are added atomically,
in any order.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tensors import compute_dtype
from ..triton_tools.index import distance, find_cells
from ..triton_tools.launch import (
    alert_not_deterministic,
    choose_numbers,
    choose_samples_tile,
    count_programs,
    launch,
)
from ..triton_tools.places import load_places, store_places, zero_tiles
from ..triton_tools.positions import (
    add_to_corners,
    corner_weights,
    find_corners,
    load_corners,
    load_positions,
)
from ..triton_tools.spread import is_near, run_spread


@triton.jit
def find_samples(
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
    h,
    w,
    strides,
    S: tl.constexpr,
    SCALE: tl.constexpr,
    HAS_START: tl.constexpr,
    COLUMNS: tl.constexpr,
    DTYPE: tl.constexpr,
    INDEX: tl.constexpr,
):
    """For COLUMNS places, one after the other: what :func:`find_corners` says of their samples, and
    whether these lie right of the map's left border and below its upper one."""
    found = ()
    for p in tl.static_range(COLUMNS):
        x, y = load_positions(
            o,
            start,
            image,
            group,
            groups,
            row,
            column,
            i,
            j + p,
            mask,
            strides,
            S,
            SCALE,
            HAS_START,
            DTYPE,
        )
        found = found + find_corners(x, y, h, w, INDEX) + (x >= 0, y >= 0)
    return found


@triton.jit
def sample_kernel(
    x,
    o,
    start,
    y,
    groups,
    h,
    w,
    x_strides,
    o_strides,
    y_strides,
    S: tl.constexpr,
    SCALE: tl.constexpr,
    HAS_START: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    CHANNEL_AXIS: tl.constexpr,
    DTYPE: tl.constexpr,
    INDEX: tl.constexpr,
):
    """y for a group's channels at COLUMNS places of BLOCK_H·BLOCK_W cells."""
    c, row, column, i, j, group, image = find_cells(
        tl.program_id(0).to(INDEX),
        tl.arange(0, BLOCK_C),
        groups,
        h,
        w,
        S,
        1,
        COLUMNS,
        BLOCK_H,
        BLOCK_W,
        CHANNEL_AXIS,
    )
    inside = (row < h) & (column < w)
    x += image * x_strides[0] + (group * CHANNELS + c) * x_strides[1]
    y += (
        image * y_strides[0]
        + (group * CHANNELS + c) * y_strides[1]
        + (row * S + i) * y_strides[2]
        + (column * S + j) * y_strides[3]
    )
    found = find_samples(
        o,
        start,
        image,
        group,
        groups,
        row,
        column,
        i,
        j,
        inside,
        h,
        w,
        o_strides,
        S,
        SCALE,
        HAS_START,
        COLUMNS,
        DTYPE,
        INDEX,
    )
    for c0 in range(0, CHANNELS, BLOCK_C):
        mask = inside & (c0 + c < CHANNELS)
        samples = ()
        for p in tl.static_range(COLUMNS):
            left, top, fx, fy, right, below = found[8 * p : 8 * p + 6]
            w_nw, w_ne, w_sw, w_se = corner_weights(fx, fy)
            nw, ne, sw, se = load_corners(
                x + (top * x_strides[2] + left * x_strides[3]),
                x_strides,
                right,
                below,
                mask if CHANNELS % BLOCK_C else inside,
                DTYPE,
            )
            samples = samples + (w_nw * nw + w_ne * ne + w_sw * sw + w_se * se,)
        store_places(y, y_strides, samples, mask, 1, COLUMNS)
        x += distance(BLOCK_C, x_strides, INDEX)
        y += distance(BLOCK_C, y_strides, INDEX)


@triton.jit
def sample_backward_kernel(
    x,
    grad_x,
    o,
    start,
    grad_o,
    grad_y,
    groups,
    h,
    w,
    x_strides,
    grad_x_strides,
    o_strides,
    grad_o_strides,
    y_strides,
    S: tl.constexpr,
    SCALE: tl.constexpr,
    HAS_START: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    CHANNEL_AXIS: tl.constexpr,
    DTYPE: tl.constexpr,
    INDEX: tl.constexpr,
):
    """grad_o at COLUMNS places of cells; adds to grad_x what samples far from theirs give."""
    c, row, column, i, j, group, image = find_cells(
        tl.program_id(0).to(INDEX),
        tl.arange(0, BLOCK_C),
        groups,
        h,
        w,
        S,
        1,
        COLUMNS,
        BLOCK_H,
        BLOCK_W,
        CHANNEL_AXIS,
    )
    inside = (row < h) & (column < w)
    x += image * x_strides[0] + (group * CHANNELS + c) * x_strides[1]
    grad_x += image * grad_x_strides[0] + (group * CHANNELS + c) * grad_x_strides[1]
    grad_y += (
        image * y_strides[0]
        + (group * CHANNELS + c) * y_strides[1]
        + (row * S + i) * y_strides[2]
        + (column * S + j) * y_strides[3]
    )
    found = find_samples(
        o,
        start,
        image,
        group,
        groups,
        row,
        column,
        i,
        j,
        inside,
        h,
        w,
        o_strides,
        S,
        SCALE,
        HAS_START,
        COLUMNS,
        DTYPE,
        INDEX,
    )
    totals = zero_tiles(4 * COLUMNS, c + row, DTYPE)
    for c0 in range(0, CHANNELS, BLOCK_C):
        mask = inside & (c0 + c < CHANNELS) if CHANNELS % BLOCK_C else inside
        grads = load_places(
            grad_y + distance(c0, y_strides, INDEX), y_strides, mask, 1, COLUMNS, DTYPE
        )
        new = ()
        for p in tl.static_range(COLUMNS):
            left, top, fx, fy, right, below = found[8 * p : 8 * p + 6]
            corner = x + (distance(c0, x_strides, INDEX) + top * x_strides[2] + left * x_strides[3])
            values = load_corners(corner, x_strides, right, below, mask, DTYPE)
            for index in tl.static_range(4):
                new = new + (totals[4 * p + index] + grads[p] * values[index],)
        totals = new

    grad_o += (
        image * grad_o_strides[0]
        + group * grad_o_strides[2]
        + i * grad_o_strides[3]
        + row * grad_o_strides[5]
        + column * grad_o_strides[6]
    )
    for p in tl.static_range(COLUMNS):
        left, top, fx, fy, right, below, moves_x, moves_y = found[8 * p : 8 * p + 8]
        by_nw = tl.sum(totals[4 * p], CHANNEL_AXIS, keep_dims=True)
        by_ne = tl.sum(totals[4 * p + 1], CHANNEL_AXIS, keep_dims=True)
        by_sw = tl.sum(totals[4 * p + 2], CHANNEL_AXIS, keep_dims=True)
        by_se = tl.sum(totals[4 * p + 3], CHANNEL_AXIS, keep_dims=True)
        by_x = (1 - fy) * (by_ne - by_nw) + fy * (by_se - by_sw)
        by_y = (1 - fx) * (by_sw - by_nw) + fx * (by_se - by_ne)
        # a sample beyond the border stays there
        place = grad_o + (j + p) * grad_o_strides[4]
        tl.store(place, tl.where(right & moves_x, SCALE * by_x, 0.0), mask=inside)
        tl.store(
            place + grad_o_strides[1], tl.where(below & moves_y, SCALE * by_y, 0.0), mask=inside
        )

        far = inside & (is_near(left, top, row, column) == 0)
        if tl.max(far.to(tl.int32)) > 0:
            corner = grad_x + (top * grad_x_strides[2] + left * grad_x_strides[3])
            for c0 in range(0, CHANNELS, BLOCK_C):
                mask = far & (c0 + c < CHANNELS)
                grad = grad_y + (distance(c0, y_strides, INDEX) + p * y_strides[3])
                add_to_corners(
                    corner + distance(c0, grad_x_strides, INDEX),
                    grad_x_strides,
                    tl.load(grad, mask=mask, other=0.0).to(DTYPE),
                    fx,
                    fy,
                    right,
                    below,
                    mask,
                )


def sample(x: Tensor, offsets: Tensor, start: Tensor | None, scale: float, y: Tensor) -> None:
    """See :data:`mmdyup.ops.sampling.sample`."""
    h, w = x.shape[2:]
    groups, s = offsets.shape[2:4]
    start = None if start is None else start.contiguous()
    tile = choose_samples_tile(x, groups, s)
    programs = count_programs(x, groups * s * (s // tile['COLUMNS']), tile)
    launch(
        sample_kernel,
        programs,
        x,
        offsets,
        start,
        y,
        groups,
        h,
        w,
        x.stride(),
        offsets.stride(),
        y.stride(),
        S=s,
        SCALE=scale,
        HAS_START=start is not None,
        **tile,
        **choose_numbers(compute_dtype(x), x, offsets, y),
    )


def sample_backward(
    x: Tensor,
    grad_y: Tensor,
    offsets: Tensor,
    start: Tensor | None,
    scale: float,
    needed: list[bool],
    grad_x: Tensor,
    grad_offsets: Tensor,
) -> None:
    """See :data:`mmdyup.ops.sampling.sample_backward`."""
    alert_not_deterministic("bilinear sampling's backward pass with backend='triton'")
    h, w = x.shape[2:]
    groups, s = offsets.shape[2:4]
    start = None if start is None else start.contiguous()
    dtype = compute_dtype(x)
    of_x, of_offsets = needed
    # what is added atomically is not rounded in between
    total = grad_x if of_x and x.dtype == dtype else torch.empty_like(x, dtype=dtype)
    if of_x:
        run_spread(total, grad_y, offsets, dtype, 3, groups, start, scale)
    if not of_offsets:  # the kernel fills both: here room that nobody reads
        grad_offsets = torch.empty_like(offsets)
    tile = choose_samples_tile(x, groups, s)
    programs = count_programs(x, groups * s * (s // tile['COLUMNS']), tile)
    launch(
        sample_backward_kernel,
        programs,
        x,
        total,
        offsets,
        start,
        grad_offsets,
        grad_y,
        groups,
        h,
        w,
        x.stride(),
        total.stride(),
        offsets.stride(),
        grad_offsets.stride(),
        grad_y.stride(),
        S=s,
        SCALE=scale,
        HAS_START=start is not None,
        **tile,
        **choose_numbers(dtype, x, total, offsets, grad_offsets, grad_y),
    )
    if of_x and total is not grad_x:
        grad_x.copy_(total)
