"""Point sampling by Triton kernels as an operator of PyTorch's; positions stay in registers.

The forward pass is deterministic. The backward pass adds to the feature's gradient atomically, in
any order, as that of PyTorch's grid_sample does on CUDA.
"""
import torch
import triton
import triton.language as tl
from torch import Tensor

from .. import bilinear_grid
from ..autograd import register_backward
from ..dtypes import compute_dtype
from ..empty import empty_upsampled
from .fallback import compiled_or_native
from .index import (
    clamp_slope,
    find_corners,
    sample_bilinear,
    sample_bilinear_backward,
    split_index,
    tile_axes,
)
from .launch import (
    alert_not_deterministic,
    choose_numbers,
    choose_tile,
    is_channels_last,
    launch,
    zeros_to_add_to,
)

# Samples of a program: 16 for each of its default 128 threads, and four reads for each sample.
_ELEMENTS = 2048


@triton.jit
def find_place(group, u, v, S: tl.constexpr):
    """The output positions' (u, v) channel among the columns' offsets."""
    return group * S * S + u % S * S + v % S


@triton.jit
def find_offsets(o, image, place, u, v, strides, S: tl.constexpr):
    """Where the columns' offsets of the output positions (u, v) lie."""
    return o + (image * strides[0] + place * strides[1] + u // S * strides[2] +
                v // S * strides[3])


@triton.jit
def load_positions(o, start, image, group, groups, u, v, mask, strides, S: tl.constexpr,
                   SCALE: tl.constexpr, HAS_START: tl.constexpr, DTYPE: tl.constexpr):
    """Columns and rows of the samples for the output positions (u, v)."""
    place, axis = find_place(group, u, v, S), groups * S * S
    o = find_offsets(o, image, place, u, v, strides, S)
    column = v // S + SCALE * tl.load(o, mask=mask, other=0.0).to(DTYPE)
    row = u // S + SCALE * tl.load(o + axis * strides[1], mask=mask, other=0.0).to(DTYPE)
    if HAS_START:
        column += tl.load(start + place).to(DTYPE)
        row += tl.load(start + axis + place).to(DTYPE)
    return column, row


@triton.jit
def sample_kernel(x, o, start, y, groups, h, w, x_strides, o_strides, y_strides,
                  S: tl.constexpr, SCALE: tl.constexpr, HAS_START: tl.constexpr,
                  CHANNELS: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_V: tl.constexpr,
                  CHANNEL_AXIS: tl.constexpr, DTYPE: tl.constexpr, INDEX: tl.constexpr):
    """y, for some channels and columns of a row."""
    c0, pid = split_index(tl.program_id(0).to(INDEX), tl.cdiv(CHANNELS, BLOCK_C))
    v0, pid = split_index(pid, tl.cdiv(w * S, BLOCK_V))
    u, pid = split_index(pid, h * S)
    group, image = split_index(pid, groups)
    c, v = tile_axes(c0 * BLOCK_C + tl.arange(0, BLOCK_C), v0 * BLOCK_V + tl.arange(0, BLOCK_V),
                     CHANNEL_AXIS)
    mask_v = v < w * S
    mask = mask_v & (c < CHANNELS)

    column, row = load_positions(o, start, image, group, groups, u, v, mask_v, o_strides, S, SCALE,
                                 HAS_START, DTYPE)
    corners = find_corners(column, row, h, w, x_strides, INDEX)
    x += image * x_strides[0] + (group * CHANNELS + c) * x_strides[1]
    y += image * y_strides[0] + (group * CHANNELS + c) * y_strides[1]
    tl.store(y + u * y_strides[2] + v * y_strides[3], sample_bilinear(x, corners, mask, DTYPE),
             mask=mask)


@triton.jit
def sample_backward_kernel(x, grad_x, o, start, grad_o, grad_y, groups, h, w, x_strides,
                           o_strides, grad_o_strides, y_strides, S: tl.constexpr,
                           SCALE: tl.constexpr, HAS_START: tl.constexpr,
                           CHANNELS: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_V: tl.constexpr,
                           CHANNEL_AXIS: tl.constexpr, DTYPE: tl.constexpr, INDEX: tl.constexpr):
    """grad_o for some columns of a row, and their part of grad_x, which lies like x."""
    v0, pid = split_index(tl.program_id(0).to(INDEX), tl.cdiv(w * S, BLOCK_V))
    u, pid = split_index(pid, h * S)
    group, image = split_index(pid, groups)
    c, v = tile_axes(tl.arange(0, BLOCK_C).to(INDEX), v0 * BLOCK_V + tl.arange(0, BLOCK_V),
                     CHANNEL_AXIS)
    mask_v = v < w * S

    column, row = load_positions(o, start, image, group, groups, u, v, mask_v, o_strides, S, SCALE,
                                 HAS_START, DTYPE)
    corners = find_corners(column, row, h, w, x_strides, INDEX)
    grad_y += image * y_strides[0] + group * CHANNELS * y_strides[1] + u * y_strides[2]
    first = image * x_strides[0] + group * CHANNELS * x_strides[1]
    grad_column = tl.zeros((c + v).shape, DTYPE)
    grad_row = tl.zeros((c + v).shape, DTYPE)
    for c0 in range(0, CHANNELS, BLOCK_C):
        mask = mask_v & (c0 + c < CHANNELS)
        grad = tl.load(grad_y + (c0 + c) * y_strides[1] + v * y_strides[3], mask=mask, other=0.0)
        plane = first + (c0 + c) * x_strides[1]
        by_column, by_row = sample_bilinear_backward(x + plane, grad_x + plane, grad.to(DTYPE),
                                                     corners, mask, DTYPE)
        grad_column += by_column
        grad_row += by_row
    grad_column = SCALE * tl.sum(grad_column, CHANNEL_AXIS, keep_dims=True)
    grad_row = SCALE * tl.sum(grad_row, CHANNEL_AXIS, keep_dims=True)
    grad_o = find_offsets(grad_o, image, find_place(group, u, v, S), u, v, grad_o_strides, S)
    tl.store(grad_o, grad_column * clamp_slope(column, w), mask=mask_v)
    tl.store(grad_o + groups * S * S * grad_o_strides[1], grad_row * clamp_slope(row, h),
             mask=mask_v)


def _run_forward(x: Tensor, offsets: Tensor, start: Tensor | None, scale_factor: int, groups: int,
                 scale: float) -> Tensor:
    n, c, h, w = x.shape
    s, y = scale_factor, empty_upsampled(x, scale_factor)
    tile = choose_tile(c // groups, s * w, is_channels_last(x), _ELEMENTS)
    programs = (n * groups * s * h * triton.cdiv(s * w, tile['BLOCK_V']) *
                triton.cdiv(c // groups, tile['BLOCK_C']))
    launch(sample_kernel, programs, x, offsets, start, y, groups, h, w, x.stride(),
           offsets.stride(), y.stride(), S=s, SCALE=scale, HAS_START=start is not None, **tile,
           **choose_numbers(compute_dtype(x), x, offsets, y))
    return y


def _run_backward(grad_y: Tensor, x: Tensor, offsets: Tensor, start: Tensor | None,
                  scale_factor: int, groups: int, scale: float) -> tuple[Tensor, Tensor]:
    n, c, h, w = x.shape
    s, dtype = scale_factor, compute_dtype(x)
    x, grad_x = zeros_to_add_to(x, dtype)
    grad_o = torch.empty_like(offsets)
    tile = choose_tile(c // groups, s * w, is_channels_last(x), _ELEMENTS)
    programs = n * groups * s * h * triton.cdiv(s * w, tile['BLOCK_V'])
    launch(sample_backward_kernel, programs, x, grad_x, offsets, start, grad_o, grad_y,
           groups, h, w, x.stride(), offsets.stride(), grad_o.stride(), grad_y.stride(), S=s,
           SCALE=scale, HAS_START=start is not None, **tile,
           **choose_numbers(dtype, x, offsets, grad_o, grad_y))
    return grad_x.to(x.dtype), grad_o


@torch.library.custom_op('mmdyup::triton_point_sample', mutates_args=())
def point_sample(x: Tensor, offsets: Tensor, start: Tensor | None, scale_factor: int, groups: int,
                 scale: float) -> Tensor:
    """See :func:`mmdyup.ops.point_sample`; arguments are taken as checked.

    ``start`` is (2, groups, s, s) without gaps in memory.
    """
    places = (2, groups, scale_factor, scale_factor)
    return compiled_or_native(
        'point_sample', lambda: _run_forward(x, offsets, start, scale_factor, groups, scale),
        lambda: bilinear_grid.sample(x, offsets.unflatten(1, places), start, scale))


@point_sample.register_fake
def _empty_result(x, offsets, start, scale_factor, groups, scale):
    return empty_upsampled(x, scale_factor)


@torch.library.custom_op('mmdyup::triton_point_sample_backward', mutates_args=())
def _point_sample_backward(grad_y: Tensor, x: Tensor, offsets: Tensor, start: Tensor | None,
                           scale_factor: int, groups: int,
                           scale: float) -> tuple[Tensor, Tensor]:
    alert_not_deterministic("point_sample's backward pass with backend='triton'")
    places = (2, groups, scale_factor, scale_factor)

    def native() -> tuple[Tensor, Tensor]:
        grad_x, grad_o = bilinear_grid.sample_backward(grad_y, x, offsets.unflatten(1, places),
                                                       start, scale)
        return grad_x, grad_o.flatten(1, 4)

    return compiled_or_native(
        "point_sample's backward pass",
        lambda: _run_backward(grad_y, x, offsets, start, scale_factor, groups, scale), native)


@_point_sample_backward.register_fake
def _empty_gradients(grad_y, x, offsets, start, scale_factor, groups, scale):
    return zeros_to_add_to(x, x.dtype)[1], torch.empty_like(offsets)


register_backward(point_sample, _point_sample_backward)
