"""The kernel of reassembly's forward pass: a thread keeps a cell's kernels while channels go by.

Each element of the result is summed by one program, so it is deterministic.
"""

import triton
import triton.language as tl
from torch import Tensor

from ..tensors import compute_dtype, empty_upsampled
from .index import clamp, distance, find_cells, split_index
from .launch import (
    choose_cells_tile,
    choose_chunk,
    choose_numbers,
    choose_places,
    count_programs,
    launch,
)
from .places import store_places, zero_tiles
from .weights import expand_kernels, load_kernels, mask_rows, softmax_kernels


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


def run_forward(
    x: Tensor,
    m: Tensor,
    o: Tensor | None,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    softmax: bool = False,
) -> Tensor:
    """Reassembly of ``x`` with the kernels ``m``, their softmax, or, given ``o``, expanded ones."""
    _, c, h, w = x.shape
    s, y = scale_factor, empty_upsampled(x, scale_factor)
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
    return y
