from torch import Tensor


def carafe_triton(x: Tensor, kernels: Tensor, kernel_size: int, groups: int,
                  scale_factor: int) -> Tensor:
    """The Triton kernels under the shapes of :func:`mmdyup.ops.carafe`."""
    from .triton.carafe import carafe

    return carafe(x, kernels, kernel_size, groups, scale_factor)
