"""Reassembly by Triton kernels as an operator of PyTorch's; deterministic, forward and backward."""

import torch
from torch import Tensor

from ..autograd import register_backward
from ..carafe_blockwise import reassemble, reassemble_backward
from ..tensors import compute_dtype, empty_upsampled, softmax_kernels
from .fallback import compiled_or_native
from .gather import run_gather
from .grad_kernels import run_grad_kernels
from .reassembly import run_forward


@torch.library.custom_op('mmdyup::triton_carafe', mutates_args=())
def carafe(
    x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int, softmax: bool
) -> Tensor:
    """See :func:`mmdyup.ops.carafe`; arguments are taken as checked."""
    sizes = (kernel_size, groups, scale_factor)
    return compiled_or_native(
        'carafe',
        lambda: run_forward(x, kernels, None, *sizes, softmax),
        lambda: reassemble(x, _softmax(x, kernels, groups) if softmax else kernels, *sizes),
    )


@carafe.register_fake
def _empty_result(x, kernels, kernel_size, groups, scale_factor, softmax):
    return empty_upsampled(x, scale_factor)


def run_backward(
    grad_y: Tensor, x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> tuple[Tensor, Tensor]:
    """The gradients of the feature and of the large kernels."""
    grad_x = torch.empty_like(x)
    run_gather(grad_x, grad_y, kernels, compute_dtype(x, kernels), kernel_size, groups)
    return grad_x, run_grad_kernels(grad_y, x, kernels, kernel_size, groups, scale_factor)


@torch.library.custom_op('mmdyup::triton_carafe_backward', mutates_args=())
def _carafe_backward(
    grad_y: Tensor,
    x: Tensor,
    kernels: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    softmax: bool,
) -> tuple[Tensor, Tensor]:
    sizes = (kernel_size, groups, scale_factor)
    m = _softmax(x, kernels, groups) if softmax else kernels
    grad_x, grad_m = compiled_or_native(
        "carafe's backward pass",
        lambda: run_backward(grad_y, x, m, *sizes),
        lambda: reassemble_backward(grad_y, x, m, *sizes),
    )
    if not softmax:
        return grad_x, grad_m
    m, grad_m = (t.unflatten(1, (groups, -1)) for t in (m, grad_m))
    grad_logits = torch.ops.aten._softmax_backward_data(grad_m, m, 2, m.dtype)
    return grad_x, torch.empty_like(kernels).copy_(grad_logits.flatten(1, 2))


@_carafe_backward.register_fake
def _empty_gradients(grad_y, x, kernels, kernel_size, groups, scale_factor, softmax):
    return torch.empty_like(x), torch.empty_like(kernels)


def _softmax(x: Tensor, logits: Tensor, groups: int) -> Tensor:
    return softmax_kernels(logits.to(compute_dtype(x, logits)), groups)


register_backward(carafe, _carafe_backward)
