import torch
from torch import Tensor

from .dtypes import memory_format_of


def empty_upsampled(x: Tensor, scale_factor: int) -> Tensor:
    """Room for a result, (N, C, sH, sW), in the dtype and memory format of ``x``."""
    n, c, h, w = x.shape
    return torch.empty(
        (n, c, scale_factor * h, scale_factor * w),
        dtype=x.dtype,
        device=x.device,
        memory_format=memory_format_of(x),
    )
