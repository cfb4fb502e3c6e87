"""Reassembly by Triton kernels as an operator of PyTorch's; deterministic, forward and backward."""
import torch
from torch import Tensor

from ..autograd import register_backward
from ..carafe_blockwise import reassemble, reassemble_backward
from ..empty import empty_upsampled
from .fallback import compiled_or_native
from .reassembly import run_forward, run_grad_feature, run_grad_kernels


@torch.library.custom_op('mmdyup::triton_carafe', mutates_args=())
def carafe(x: Tensor, kernels: Tensor, kernel_size: int, groups: int,
           scale_factor: int) -> Tensor:
    """See :func:`mmdyup.ops.carafe`; arguments are taken as checked."""
    sizes = (kernel_size, groups, scale_factor)
    return compiled_or_native('carafe', lambda: run_forward(x, kernels, None, *sizes),
                              lambda: reassemble(x, kernels, *sizes))


@carafe.register_fake
def _empty_result(x, kernels, kernel_size, groups, scale_factor):
    return empty_upsampled(x, scale_factor)


@torch.library.custom_op('mmdyup::triton_carafe_backward', mutates_args=())
def _carafe_backward(grad_y: Tensor, x: Tensor, kernels: Tensor, kernel_size: int, groups: int,
                     scale_factor: int) -> tuple[Tensor, Tensor]:
    sizes = (kernel_size, groups, scale_factor)
    return compiled_or_native(
        "carafe's backward pass",
        lambda: (run_grad_feature(grad_y, x, kernels, None, *sizes),
                 run_grad_kernels(grad_y, x, kernels, *sizes)),
        lambda: reassemble_backward(grad_y, x, kernels, *sizes))


@_carafe_backward.register_fake
def _empty_gradients(grad_y, x, kernels, kernel_size, groups, scale_factor):
    return torch.empty_like(x), torch.empty_like(kernels)


register_backward(carafe, _carafe_backward)
