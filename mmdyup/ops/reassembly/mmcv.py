"""Reassembly by mmcv's compiled CUDA operator, with mmcv's own gradient."""

import torch
from torch import Tensor


def reassemble(
    x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> Tensor:
    """(N, C, sH, sW) in the dtype of ``x``, contiguous; bfloat16 goes through float32."""
    from mmcv.ops import carafe

    dtype = torch.float32 if x.dtype == torch.bfloat16 else x.dtype
    # the CUDA code reads both tensors as contiguous and of one dtype, whatever they are
    maps = (z.to(dtype).contiguous() for z in (x, kernels))
    with torch.autocast('cuda', enabled=False):
        return carafe(*maps, kernel_size, groups, scale_factor).to(x.dtype)
