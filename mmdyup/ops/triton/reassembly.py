"""Kernels of reassembly, without atomics: every element of a result is summed by one program.

With ``EXPAND`` the weights are sampled from the small kernel space ``m`` at the offsets ``o`` as
they are needed; without, they are read from the large kernels ``m``, and ``o`` is not looked at.
CHANNELS is of one group, K the kernel size, S the ratio.
"""
import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..dtypes import compute_dtype
from ..empty import empty_upsampled
from .index import find_corners, sample_bilinear, split_index, tile_axes
from .launch import choose_numbers, choose_tile, is_channels_last, launch

# Sums of a program, whose default 128 threads keep 16 each in registers: few enough that programs
# run beside each other and hide each other's reads.
_ELEMENTS = 2048
# Rows of a cell that share what a program reads of the feature. Where rows times columns came to a
# weight for each thread, the compiler would carry every weight through shared memory.
_MAX_ROWS = 2


@triton.jit
def find_weights(o, image, group, u, v, mask, h, w, o_strides, m_strides,
                 S: tl.constexpr, EXPAND: tl.constexpr, DTYPE: tl.constexpr,
                 INDEX: tl.constexpr):
    """Where the kernels of the output positions (u, v) lie in a plane of ``m``."""
    if EXPAND:
        o += image * o_strides[0] + 2 * group * o_strides[1] + u * o_strides[2] + v * o_strides[3]
        column = v // S + tl.load(o, mask=mask, other=0.0).to(DTYPE)
        row = u // S + tl.load(o + o_strides[1], mask=mask, other=0.0).to(DTYPE)
        return find_corners(column, row, h, w, m_strides, INDEX)
    else:
        return (u * m_strides[2] + v * m_strides[3], )


@triton.jit
def load_weights(plane, found, mask, EXPAND: tl.constexpr, DTYPE: tl.constexpr):
    """The kernels' values in one plane of ``m``, 0 where masked."""
    if EXPAND:
        return sample_bilinear(plane, found, mask, DTYPE)
    else:
        return tl.load(plane + found[0], mask=mask, other=0.0).to(DTYPE)


@triton.jit
def reassemble_kernel(x, m, o, y, groups, h, w, x_strides, m_strides, o_strides,
                      y_strides, K: tl.constexpr, S: tl.constexpr, EXPAND: tl.constexpr,
                      SOFTMAX: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
                      BLOCK_C: tl.constexpr, BLOCK_V: tl.constexpr, CHANNEL_AXIS: tl.constexpr,
                      DTYPE: tl.constexpr, INDEX: tl.constexpr):
    """y, for ROWS rows of one row of cells, which share what is read of x.

    With SOFTMAX, m holds logits.
    """
    c0, pid = split_index(tl.program_id(0).to(INDEX), tl.cdiv(CHANNELS, BLOCK_C))
    v0, pid = split_index(pid, tl.cdiv(w * S, BLOCK_V))
    u0, pid = split_index(pid, h * (S // ROWS))
    group, image = split_index(pid, groups)
    c, v = tile_axes(c0 * BLOCK_C + tl.arange(0, BLOCK_C), v0 * BLOCK_V + tl.arange(0, BLOCK_V),
                     CHANNEL_AXIS)
    u = u0 * ROWS + tl.arange(0, ROWS)[None, None, :]
    row, column = u0 * ROWS // S, v // S

    found = find_weights(o, image, group, u, v, v < w * S, h, w, o_strides, m_strides, S, EXPAND,
                         DTYPE, INDEX)
    m += image * m_strides[0] + group * K * K * m_strides[1]
    x += image * x_strides[0] + (group * CHANNELS + c) * x_strides[1]
    total = tl.zeros((u + c + v).shape, DTYPE)
    if SOFTMAX:
        peak = tl.full((u + v).shape, float('-inf'), DTYPE)
        for tap in tl.static_range(K * K):
            peak = tl.maximum(peak, load_weights(m + tap * m_strides[1], found, v < w * S, EXPAND,
                                                 DTYPE))
        weight_sum = tl.zeros((u + v).shape, DTYPE)
    # without a loop the logits are read once, and stay in registers from the peak on
    for a in tl.range(K, loop_unroll_factor=K if SOFTMAX else 1):
        near_row = row + a - K // 2
        for b in tl.static_range(K):
            near = column + b - K // 2
            mask = (near_row >= 0) & (near_row < h) & (near >= 0) & (near < w)
            if SOFTMAX:
                # weights that fall outside the map count too
                weights = load_weights(m + (a * K + b) * m_strides[1], found, v < w * S, EXPAND,
                                       DTYPE)
                weights = tl.exp(weights - peak)
                weight_sum += weights
            else:
                weights = load_weights(m + (a * K + b) * m_strides[1], found, mask & (v < w * S),
                                       EXPAND, DTYPE)
            total += weights * tl.load(x + near_row * x_strides[2] + near * x_strides[3],
                                       mask=mask & (c < CHANNELS), other=0.0).to(DTYPE)
    if SOFTMAX:
        total /= weight_sum
    y += image * y_strides[0] + (group * CHANNELS + c) * y_strides[1]
    tl.store(y + u * y_strides[2] + v * y_strides[3], total,
             mask=(u < h * S) & (c < CHANNELS) & (v < w * S))


@triton.jit
def grad_feature_kernel(grad_x, m, o, grad_y, groups, h, w, x_strides, m_strides,
                        o_strides, y_strides, K: tl.constexpr, S: tl.constexpr,
                        EXPAND: tl.constexpr, COLUMNS: tl.constexpr, CHANNELS: tl.constexpr,
                        BLOCK_C: tl.constexpr, BLOCK_V: tl.constexpr,
                        CHANNEL_AXIS: tl.constexpr, DTYPE: tl.constexpr, INDEX: tl.constexpr):
    """grad_x: a pixel gathers from the k² cells whose neighbourhood holds it.

    COLUMNS, a power of two that divides S, of a cell's columns lie side by side in a tile.
    """
    CELLS: tl.constexpr = BLOCK_V // COLUMNS
    c0, pid = split_index(tl.program_id(0).to(INDEX), tl.cdiv(CHANNELS, BLOCK_C))
    w0, pid = split_index(pid, tl.cdiv(w, CELLS))
    row, pid = split_index(pid, h)
    group, image = split_index(pid, groups)
    place = tl.arange(0, BLOCK_V)
    c, column = tile_axes(c0 * BLOCK_C + tl.arange(0, BLOCK_C), w0 * CELLS + place // COLUMNS,
                          CHANNEL_AXIS)
    c, place = tile_axes(c0 * BLOCK_C + tl.arange(0, BLOCK_C), place % COLUMNS, CHANNEL_AXIS)

    m += image * m_strides[0] + group * K * K * m_strides[1]
    grad_y += image * y_strides[0] + (group * CHANNELS + c) * y_strides[1]
    total = tl.zeros((c + column).shape, DTYPE)
    for a in range(K):
        cell_row = row - a + K // 2
        for i in range(S):
            u = cell_row * S + i
            for b in tl.static_range(K):
                cell = column - b + K // 2
                mask = (cell_row >= 0) & (cell_row < h) & (cell >= 0) & (cell < w)
                for j in tl.static_range(0, S, COLUMNS):
                    v = cell * S + j + place
                    found = find_weights(o, image, group, u, v, mask, h, w, o_strides, m_strides,
                                         S, EXPAND, DTYPE, INDEX)
                    weights = load_weights(m + (a * K + b) * m_strides[1], found, mask, EXPAND,
                                           DTYPE)
                    total += weights * tl.load(grad_y + u * y_strides[2] + v * y_strides[3],
                                               mask=mask & (c < CHANNELS), other=0.0).to(DTYPE)
    if CHANNEL_AXIS == 0:
        total = tl.sum(tl.reshape(total, (BLOCK_C, CELLS, COLUMNS)), 2)[:, :, None]
    else:
        total = tl.sum(tl.reshape(total, (CELLS, COLUMNS, BLOCK_C)), 1)[:, :, None]
    c, column = tile_axes(c0 * BLOCK_C + tl.arange(0, BLOCK_C), w0 * CELLS + tl.arange(0, CELLS),
                          CHANNEL_AXIS)
    grad_x += image * x_strides[0] + (group * CHANNELS + c) * x_strides[1]
    tl.store(grad_x + row * x_strides[2] + column * x_strides[3], total,
             mask=(c < CHANNELS) & (column < w))


@triton.jit
def last_to_first(K: tl.constexpr, TAPS: tl.constexpr):
    """A row's taps as a tile's last axis, K − 1 first and negative ones behind 0.

    Ascending ones would look contiguous, and be spread over threads.
    """
    return K - 1 - tl.arange(0, TAPS)[None, None, :]


@triton.jit
def score_taps(x, grad_y, row, near, u, v, mask, mask_v, x_strides, y_strides,
               CHANNELS: tl.constexpr, BLOCK_C: tl.constexpr, CHANNEL_AXIS: tl.constexpr,
               DTYPE: tl.constexpr, INDEX: tl.constexpr):
    """Sums over channels of grad_y at (u, v) times x at (row, near), 0 where masked.

    ``near`` holds a neighbourhood's columns along the tile's last axis; ``x`` and ``grad_y`` point
    to a group's first channel.
    """
    c, _ = tile_axes(tl.arange(0, BLOCK_C).to(INDEX), tl.arange(0, 1), CHANNEL_AXIS)
    total = tl.zeros((near + c).shape, DTYPE)
    x += row * x_strides[2] + near * x_strides[3]
    grad_y += u * y_strides[2] + v * y_strides[3]
    for c0 in range(0, CHANNELS, BLOCK_C):
        inside = c0 + c < CHANNELS
        values = tl.load(x + (c0 + c) * x_strides[1], mask=mask & inside, other=0.0).to(DTYPE)
        grads = tl.load(grad_y + (c0 + c) * y_strides[1], mask=mask_v & inside, other=0.0)
        total += values * grads.to(DTYPE)
    # a gradient that is not a number would show where its factor is masked
    return tl.where(mask, tl.sum(total, CHANNEL_AXIS, keep_dims=True), 0.0)


@triton.jit
def grad_kernels_kernel(grad_m, x, grad_y, groups, h, w, x_strides, m_strides,
                        y_strides, K: tl.constexpr, S: tl.constexpr, TAPS: tl.constexpr,
                        CHANNELS: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_V: tl.constexpr,
                        CHANNEL_AXIS: tl.constexpr, DTYPE: tl.constexpr, INDEX: tl.constexpr):
    """grad_m for one row of the k×k taps; TAPS is the power of two that holds K."""
    a, pid = split_index(tl.program_id(0).to(INDEX), K)
    v0, pid = split_index(pid, tl.cdiv(w * S, BLOCK_V))
    u, pid = split_index(pid, h * S)
    group, image = split_index(pid, groups)
    b = last_to_first(K, TAPS)
    _, v = tile_axes(tl.arange(0, 1), v0 * BLOCK_V + tl.arange(0, BLOCK_V), CHANNEL_AXIS)
    row, near = u // S + a - K // 2, v // S + b - K // 2
    mask_v = v < w * S
    mask = (row >= 0) & (row < h) & (near >= 0) & (near < w) & mask_v & (b >= 0)

    x += image * x_strides[0] + group * CHANNELS * x_strides[1]
    grad_y += image * y_strides[0] + group * CHANNELS * y_strides[1]
    scores = score_taps(x, grad_y, row, near, u, v, mask, mask_v, x_strides, y_strides,
                        CHANNELS, BLOCK_C, CHANNEL_AXIS, DTYPE, INDEX)
    grad_m += image * m_strides[0] + ((group * K + a) * K + b) * m_strides[1]
    tl.store(grad_m + u * m_strides[2] + v * m_strides[3], scores, mask=mask_v & (b >= 0))


def run_forward(x: Tensor, m: Tensor, o: Tensor | None, kernel_size: int, groups: int,
                scale_factor: int, softmax: bool = False) -> Tensor:
    """Reassembly of ``x`` with the kernels ``m``, their softmax, or, given ``o``, expanded ones."""
    n, c, h, w = x.shape
    s, y = scale_factor, empty_upsampled(x, scale_factor)
    rows = math.gcd(s, _MAX_ROWS)
    tile = choose_tile(c // groups, s * w, is_channels_last(x), _ELEMENTS // rows)
    where = m if o is None else o
    programs = (n * groups * (s * h // rows) * triton.cdiv(s * w, tile['BLOCK_V']) *
                triton.cdiv(c // groups, tile['BLOCK_C']))
    launch(reassemble_kernel, programs, x, m, where, y, groups, h, w, x.stride(),
           m.stride(), where.stride(), y.stride(), K=kernel_size, S=s, EXPAND=o is not None,
           SOFTMAX=softmax, ROWS=rows, **tile,
           **choose_numbers(compute_dtype(x, m), x, m, where, y))
    return y


def run_grad_feature(grad_y: Tensor, x: Tensor, m: Tensor, o: Tensor | None, kernel_size: int,
                     groups: int, scale_factor: int) -> Tensor:
    """The gradient of :func:`run_forward` with respect to ``x``."""
    n, c, h, w = x.shape
    s, grad_x = scale_factor, torch.empty_like(x)
    columns = s & -s
    tile = choose_tile(c // groups, s * w, is_channels_last(x), _ELEMENTS // 2)
    tile['BLOCK_V'] = max(tile['BLOCK_V'], columns)
    where = m if o is None else o
    programs = (n * groups * h * triton.cdiv(w, tile['BLOCK_V'] // columns) *
                triton.cdiv(c // groups, tile['BLOCK_C']))
    launch(grad_feature_kernel, programs, grad_x, m, where, grad_y, groups, h, w,
           grad_x.stride(), m.stride(), where.stride(), grad_y.stride(), K=kernel_size, S=s,
           EXPAND=o is not None, COLUMNS=columns, **tile,
           **choose_numbers(compute_dtype(x, m), grad_x, m, where, grad_y))
    return grad_x


def choose_taps_tile(x: Tensor, kernel_size: int, groups: int, scale_factor: int) -> dict[str, int]:
    """The constants of a tile for :func:`score_taps`, TAPS among them."""
    taps = triton.next_power_of_2(kernel_size)
    return dict(TAPS=taps, **choose_tile(x.shape[1] // groups, scale_factor * x.shape[3],
                                         is_channels_last(x), 2 * _ELEMENTS // taps))


def run_grad_kernels(grad_y: Tensor, x: Tensor, m: Tensor, kernel_size: int, groups: int,
                     scale_factor: int) -> Tensor:
    """The gradient of reassembly with respect to the large kernels ``m``."""
    n, c, h, w = x.shape
    s, grad_m = scale_factor, torch.empty_like(m)
    tile = choose_taps_tile(x, kernel_size, groups, s)
    programs = n * groups * s * h * triton.cdiv(s * w, tile['BLOCK_V']) * kernel_size
    launch(grad_kernels_kernel, programs, grad_m, x, grad_y, groups, h, w, x.stride(),
           grad_m.stride(), grad_y.stride(), K=kernel_size, S=s, **tile,
           **choose_numbers(compute_dtype(x, m), x, grad_m, grad_y))
    return grad_m
