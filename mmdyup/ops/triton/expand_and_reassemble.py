"""DLU's expansion and reassembly in one pass, as an operator of PyTorch's.

Large kernels exist in registers only. The forward pass and the feature's gradient are
deterministic; the gradient of the small kernels is added to atomically, in any order.
"""
import torch
import triton
import triton.language as tl
from torch import Tensor

from .. import bilinear_grid
from ..autograd import register_backward
from ..carafe_blockwise import reassemble, reassemble_backward
from ..dtypes import compute_dtype
from ..empty import empty_upsampled
from ..expand_kernels import pairs_as_cells
from .fallback import compiled_or_native
from .index import clamp_slope, find_corners, sample_bilinear_backward, split_index, tile_axes
from .launch import (
    alert_not_deterministic,
    choose_numbers,
    launch,
    zeros_to_add_to,
)
from .reassembly import (
    choose_taps_tile,
    last_to_first,
    run_forward,
    run_grad_feature,
    score_taps,
)


@triton.jit
def expand_backward_kernel(x, m, grad_m, o, grad_o, grad_y, groups, h, w, x_strides,
                           m_strides, o_strides, grad_o_strides, y_strides, K: tl.constexpr,
                           S: tl.constexpr, TAPS: tl.constexpr, CHANNELS: tl.constexpr,
                           BLOCK_C: tl.constexpr, BLOCK_V: tl.constexpr,
                           CHANNEL_AXIS: tl.constexpr, DTYPE: tl.constexpr,
                           INDEX: tl.constexpr):
    """grad_o for some columns of a row, and their part of grad_m, which lies like m.

    TAPS is the power of two that holds K.
    """
    v0, pid = split_index(tl.program_id(0).to(INDEX), tl.cdiv(w * S, BLOCK_V))
    u, pid = split_index(pid, h * S)
    group, image = split_index(pid, groups)
    b = last_to_first(K, TAPS).to(INDEX)
    _, v = tile_axes(tl.arange(0, 1), v0 * BLOCK_V + tl.arange(0, BLOCK_V), CHANNEL_AXIS)
    near, mask_v = v // S + b - K // 2, v < w * S

    o += image * o_strides[0] + 2 * group * o_strides[1] + u * o_strides[2] + v * o_strides[3]
    column = v // S + tl.load(o, mask=mask_v, other=0.0).to(DTYPE)
    row = u // S + tl.load(o + o_strides[1], mask=mask_v, other=0.0).to(DTYPE)
    corners = find_corners(column, row, h, w, m_strides, INDEX)

    x += image * x_strides[0] + group * CHANNELS * x_strides[1]
    grad_y += image * y_strides[0] + group * CHANNELS * y_strides[1]
    grad_column = tl.zeros((b + v).shape, DTYPE)
    grad_row = tl.zeros((b + v).shape, DTYPE)
    for a in range(K):
        near_row = u // S + a - K // 2
        mask = (near_row >= 0) & (near_row < h) & (near >= 0) & (near < w) & mask_v & (b >= 0)
        grad = score_taps(x, grad_y, near_row, near, u, v, mask, mask_v, x_strides,
                          y_strides, CHANNELS, BLOCK_C, CHANNEL_AXIS, DTYPE, INDEX)
        plane = image * m_strides[0] + ((group * K + a) * K + b) * m_strides[1]
        by_column, by_row = sample_bilinear_backward(m + plane, grad_m + plane, grad, corners,
                                                     mask, DTYPE)
        grad_column += by_column
        grad_row += by_row
    grad_column = tl.sum(grad_column, 2, keep_dims=True) * clamp_slope(column, w)
    grad_row = tl.sum(grad_row, 2, keep_dims=True) * clamp_slope(row, h)
    grad_o += (image * grad_o_strides[0] + 2 * group * grad_o_strides[1] +
               u * grad_o_strides[2] + v * grad_o_strides[3])
    tl.store(grad_o, grad_column, mask=mask_v)
    tl.store(grad_o + grad_o_strides[1], grad_row, mask=mask_v)


def _run_backward(grad_y: Tensor, x: Tensor, kernels: Tensor, offsets: Tensor, kernel_size: int,
                  groups: int, scale_factor: int) -> tuple[Tensor, Tensor, Tensor]:
    n, c, h, w = x.shape
    s, dtype = scale_factor, compute_dtype(x, kernels)
    grad_x = run_grad_feature(grad_y, x, kernels, offsets, kernel_size, groups, s)
    m, grad_m = zeros_to_add_to(kernels, dtype)
    grad_o = torch.empty_like(offsets)
    tile = choose_taps_tile(x, kernel_size, groups, s)
    programs = n * groups * s * h * triton.cdiv(s * w, tile['BLOCK_V'])
    launch(expand_backward_kernel, programs, x, m, grad_m, offsets, grad_o, grad_y,
           groups, h, w, x.stride(), m.stride(), offsets.stride(), grad_o.stride(),
           grad_y.stride(), K=kernel_size, S=s, **tile,
           **choose_numbers(dtype, x, m, offsets, grad_o, grad_y))
    return grad_x, grad_m.to(kernels.dtype), grad_o


def _run_native_backward(grad_y: Tensor, x: Tensor, kernels: Tensor, offsets: Tensor,
                         kernel_size: int, groups: int,
                         scale_factor: int) -> tuple[Tensor, Tensor, Tensor]:
    cells = pairs_as_cells(offsets, scale_factor, groups)
    large = bilinear_grid.sample(kernels, cells, None, 1.0)
    grad_x, grad_large = reassemble_backward(grad_y, x, large, kernel_size, groups, scale_factor)
    grad_kernels, grad_cells = bilinear_grid.sample_backward(grad_large, kernels, cells, None, 1.0)
    grad_o = torch.empty_like(offsets)
    pairs_as_cells(grad_o, scale_factor, groups).copy_(grad_cells)
    return grad_x, grad_kernels, grad_o


@torch.library.custom_op('mmdyup::triton_expand_and_reassemble', mutates_args=())
def expand_and_reassemble(x: Tensor, kernels: Tensor, offsets: Tensor, kernel_size: int,
                          groups: int, scale_factor: int) -> Tensor:
    """See :func:`mmdyup.ops.expand_and_reassemble`; arguments are taken as checked."""
    sizes = (kernel_size, groups, scale_factor)

    def native() -> Tensor:
        cells = pairs_as_cells(offsets, scale_factor, groups)
        return reassemble(x, bilinear_grid.sample(kernels, cells, None, 1.0), *sizes)

    return compiled_or_native('expand_and_reassemble',
                              lambda: run_forward(x, kernels, offsets, *sizes), native)


@expand_and_reassemble.register_fake
def _empty_result(x, kernels, offsets, kernel_size, groups, scale_factor):
    return empty_upsampled(x, scale_factor)


@torch.library.custom_op('mmdyup::triton_expand_and_reassemble_backward', mutates_args=())
def _expand_and_reassemble_backward(grad_y: Tensor, x: Tensor, kernels: Tensor, offsets: Tensor,
                                    kernel_size: int, groups: int,
                                    scale_factor: int) -> tuple[Tensor, Tensor, Tensor]:
    alert_not_deterministic("expand_and_reassemble's backward pass with backend='triton'")
    args = (grad_y, x, kernels, offsets, kernel_size, groups, scale_factor)
    return compiled_or_native("expand_and_reassemble's backward pass",
                              lambda: _run_backward(*args), lambda: _run_native_backward(*args))


@_expand_and_reassemble_backward.register_fake
def _empty_gradients(grad_y, x, kernels, offsets, kernel_size, groups, scale_factor):
    grad_kernels = zeros_to_add_to(kernels, kernels.dtype)[1]
    return torch.empty_like(x), grad_kernels, torch.empty_like(offsets)


register_backward(expand_and_reassemble, _expand_and_reassemble_backward)
