"""The contractions, and DLU's fused step, by Triton kernels.

In each of them a thread keeps a cell's kernels, or their gradient, in registers while channels go
by. Each element of a result is summed by one program, so all are deterministic.
"""

import triton
import triton.language as tl
from torch import Tensor

from ..tensors import compute_dtype
from ..triton_tools.index import clamp, distance, find_cells, split_index
from ..triton_tools.launch import (
    choose_cells_tile,
    choose_chunk,
    choose_numbers,
    choose_places,
    choose_sums_tile,
    count_programs,
    launch,
)
from ..triton_tools.places import load_places, store_places, zero_tiles
from ..triton_tools.spread import run_spread
from ..triton_tools.weights import expand_kernels, load_kernels, mask_rows, softmax_kernels


@triton.jit
def reassemble_kernel(
    x,
    m,
    o,
    y,
    groups,
    h,
    w,
    x_strides,
    m_strides,
    o_strides,
    y_strides,
    K: tl.constexpr,
    S: tl.constexpr,
    EXPAND: tl.constexpr,
    SOFTMAX: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHANNELS: tl.constexpr,
    CHUNK: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_W: tl.constexpr,
    CHANNEL_AXIS: tl.constexpr,
    DTYPE: tl.constexpr,
    INDEX: tl.constexpr,
):
    """y for CHUNK channels of a group at ROWS·COLUMNS places of BLOCK_H·BLOCK_W cells.

    K is the kernel size, S the ratio, CHANNELS of one group. With EXPAND, m is the small kernel
    space and o its offsets; with SOFTMAX, m holds logits. Else m holds the large kernels.
    """
    PLACES: tl.constexpr = ROWS * COLUMNS
    c0, pid = split_index(tl.program_id(0).to(INDEX), tl.cdiv(CHANNELS, CHUNK))
    c, row, column, i, j, group, image = find_cells(
        pid,
        c0 * CHUNK + tl.arange(0, BLOCK_C),
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
    inside = (row < h) & (column < w)

    m += image * m_strides[0] + group * K * K * m_strides[1]
    if EXPAND:
        o += image * o_strides[0] + 2 * group * o_strides[1]
        weights = expand_kernels(
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
            K,
            S,
            ROWS,
            COLUMNS,
            DTYPE,
            INDEX,
        )
    else:
        weights = load_kernels(
            m, row, column, i, j, inside, m_strides, K, S, ROWS, COLUMNS, DTYPE, INDEX
        )
    if SOFTMAX:
        weights = softmax_kernels(weights, K * K, PLACES)
    # A tap above or below the map weighs nothing and reads the map's border, which is in the
    # neighbourhood as well: what is not finite there shows in any case.
    weights = mask_rows(weights, row, h, K, PLACES)

    x += image * x_strides[0] + (group * CHANNELS + c) * x_strides[1] + column * x_strides[3]
    y += (
        image * y_strides[0]
        + (group * CHANNELS + c) * y_strides[1]
        + (row * S + i) * y_strides[2]
        + (column * S + j) * y_strides[3]
    )
    for _ in range(0, CHUNK, BLOCK_C):
        totals = zero_tiles(PLACES, c + row, DTYPE)
        for a in tl.static_range(K):
            near_row = clamp(row + a - K // 2, h)
            for b in tl.static_range(K):
                near = column + b - K // 2
                mask = (near >= 0) & (near < w)
                if CHANNELS % CHUNK:
                    mask = mask & (c < CHANNELS)
                values = tl.load(
                    x + near_row * x_strides[2] + (b - K // 2) * x_strides[3], mask=mask, other=0.0
                ).to(DTYPE)
                new = ()
                for place in tl.static_range(PLACES):
                    new = new + (totals[place] + weights[(a * K + b) * PLACES + place] * values,)
                totals = new
        store_places(y, y_strides, totals, inside & (c < CHANNELS), ROWS, COLUMNS)
        c += BLOCK_C
        x += distance(BLOCK_C, x_strides, INDEX)
        y += distance(BLOCK_C, y_strides, INDEX)


@triton.jit
def scores_kernel(
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
    _run_reassemble(x, kernels, None, kernel_size, groups, scale_factor, softmax, y)


def expand_and_reassemble(
    x: Tensor,
    kernels: Tensor,
    offsets: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    y: Tensor,
) -> None:
    """See :func:`mmdyup.ops.expand_and_reassemble`: large kernels exist in registers only."""
    _run_reassemble(x, kernels, offsets, kernel_size, groups, scale_factor, False, y)


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
    h, w = x.shape[2:]
    rows, columns = choose_places(k, s)
    multiple = groups * (s // rows) * (s // columns)
    tile = choose_sums_tile(x, groups, multiple)
    launch(
        scores_kernel,
        count_programs(x, multiple, tile),
        kernels,
        x,
        y,
        groups,
        h,
        w,
        kernels.stride(),
        x.stride(),
        y.stride(),
        K=k,
        S=s,
        ROWS=rows,
        COLUMNS=columns,
        **tile,
        **choose_numbers(compute_dtype(x, y, kernels), x, kernels, y),
    )


def spread(
    kernels: Tensor,
    y: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    x: Tensor,
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    run_spread(x, y, kernels, compute_dtype(kernels, y), kernel_size, groups)


def _run_reassemble(
    x: Tensor,
    m: Tensor,
    o: Tensor | None,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    softmax: bool,
    y: Tensor,
) -> None:
    """With the kernels ``m``, their softmax, or, given ``o``, expanded ones."""
    _, c, h, w = x.shape
    s = scale_factor
    rows, columns = choose_places(kernel_size, s, o is not None)
    tile = choose_cells_tile(x, groups)
    programs = count_programs(x, groups * (s // rows) * (s // columns), tile)
    chunk = choose_chunk(c // groups, tile['BLOCK_C'], programs)
    where = m if o is None else o
    launch(
        reassemble_kernel,
        programs * triton.cdiv(c // groups, chunk),
        x,
        m,
        where,
        y,
        groups,
        h,
        w,
        x.stride(),
        m.stride(),
        where.stride(),
        y.stride(),
        K=kernel_size,
        S=s,
        EXPAND=o is not None,
        SOFTMAX=softmax,
        ROWS=rows,
        COLUMNS=columns,
        CHUNK=chunk,
        **tile,
        **choose_numbers(compute_dtype(x, m), x, m, where, y),
    )
