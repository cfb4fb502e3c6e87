import torch
from torch import Tensor


def carafe_mmcv(
    x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> Tensor:
    """mmcv's compiled CUDA operator under the shapes of :func:`mmdyup.ops.carafe`."""
    from mmcv.ops import carafe

    # the CUDA code reads both tensors as contiguous and of one dtype, whatever they are
    with torch.autocast('cuda', enabled=False):
        return carafe(
            x.contiguous(), kernels.to(x.dtype).contiguous(), kernel_size, groups, scale_factor
        )
