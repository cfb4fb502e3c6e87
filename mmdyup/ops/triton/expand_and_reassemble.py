"""DLU's expansion and reassembly as an operator of PyTorch's.

The forward pass is one kernel, and deterministic: large kernels exist in registers only. The
backward pass makes them anew, and their gradient, which it takes back to the small ones as that of
any bilinear sample.
"""

import torch
from torch import Tensor

from .. import bilinear_grid
from ..autograd import register_backward
from ..carafe_blockwise import reassemble, reassemble_backward
from ..expand_kernels import pairs_as_cells
from ..tensors import compute_dtype, empty_upsampled
from .carafe import run_backward
from .fallback import compiled_or_native
from .launch import alert_not_deterministic
from .reassembly import run_forward
from .sample_cells import run_sample, run_sample_backward


@torch.library.custom_op('mmdyup::triton_expand_and_reassemble', mutates_args=())
def expand_and_reassemble(
    x: Tensor, kernels: Tensor, offsets: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> Tensor:
    """See :func:`mmdyup.ops.expand_and_reassemble`; arguments are taken as checked."""
    sizes = (kernel_size, groups, scale_factor)

    def native() -> Tensor:
        cells = pairs_as_cells(offsets, scale_factor, groups)
        return reassemble(x, bilinear_grid.sample(kernels, cells, None, 1.0), *sizes)

    return compiled_or_native(
        'expand_and_reassemble', lambda: run_forward(x, kernels, offsets, *sizes), native
    )


@expand_and_reassemble.register_fake
def _empty_result(x, kernels, offsets, kernel_size, groups, scale_factor):
    return empty_upsampled(x, scale_factor)


@torch.library.custom_op('mmdyup::triton_expand_and_reassemble_backward', mutates_args=())
def _expand_and_reassemble_backward(
    grad_y: Tensor,
    x: Tensor,
    kernels: Tensor,
    offsets: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
) -> tuple[Tensor, Tensor, Tensor]:
    alert_not_deterministic("expand_and_reassemble's backward pass with backend='triton'")
    cells = pairs_as_cells(offsets, scale_factor, groups)

    def backward(sample, sample_backward, reassembly_backward) -> tuple[Tensor, Tensor, Tensor]:
        # contiguous, few as its channels are; not rounded, as in the forward pass
        small = kernels.to(compute_dtype(x, kernels)).contiguous()
        large = sample(small, cells, None, 1.0)
        grad_x, grad_large = reassembly_backward(
            grad_y, x, large, kernel_size, groups, scale_factor
        )
        grad_kernels, grad_cells = sample_backward(grad_large, small, cells, None, 1.0)
        grad_o = torch.empty_like(offsets)
        pairs_as_cells(grad_o, scale_factor, groups).copy_(grad_cells)
        return grad_x, torch.empty_like(kernels).copy_(grad_kernels), grad_o

    return compiled_or_native(
        "expand_and_reassemble's backward pass",
        lambda: backward(run_sample, run_sample_backward, run_backward),
        lambda: backward(bilinear_grid.sample, bilinear_grid.sample_backward, reassemble_backward),
    )


@_expand_and_reassemble_backward.register_fake
def _empty_gradients(grad_y, x, kernels, offsets, kernel_size, groups, scale_factor):
    return torch.empty_like(x), torch.empty_like(kernels), torch.empty_like(offsets)


register_backward(expand_and_reassemble, _expand_and_reassemble_backward)
