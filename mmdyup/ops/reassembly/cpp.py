"""The contractions by compiled code for the CPU."""

import torch
from torch import Tensor

from ..csrc.library import BLOCK, FUNCTIONS, Reassembly, make_ready, room_for
from ..tensors import compute_dtype, is_channels_last


def reassemble(
    x: Tensor,
    kernels: Tensor,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    softmax: bool,
    y: Tensor,
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`; ``softmax`` is Triton's and False here."""
    dtype = compute_dtype(x, kernels)
    _run('reassemble', dtype, kernel_size, groups, scale_factor, (x, y, kernels), (0, 2), 1)


def scores(
    x: Tensor, y: Tensor, kernel_size: int, groups: int, scale_factor: int, kernels: Tensor
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    dtype = compute_dtype(x, y)
    _run('scores', dtype, kernel_size, groups, scale_factor, (x, y, kernels), (0, 1), 2)


def spread(
    kernels: Tensor, y: Tensor, kernel_size: int, groups: int, scale_factor: int, x: Tensor
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    dtype = compute_dtype(kernels, y)
    _run('spread', dtype, kernel_size, groups, scale_factor, (x, y, kernels), (2, 1), 0)


def _run(
    name: str,
    dtype: torch.dtype,
    kernel_size: int,
    groups: int,
    scale_factor: int,
    maps: tuple[Tensor, Tensor, Tensor],
    given: tuple[int, int],
    wanted: int,
) -> None:
    """Makes the map ``wanted`` of x, y and the kernels from the two that are ``given``."""
    inputs = [make_ready(maps[i], dtype) for i in given]
    result = room_for(maps[wanted], dtype)
    last = [is_channels_last(z) for z in maps]
    size = Reassembly(
        *maps[0].shape,
        groups,
        scale_factor,
        BLOCK,
        last[0],
        last[1],
        torch.get_num_threads(),
        kernel_size,
        last[2],
    )
    addresses = (z.data_ptr() for z in (*inputs, result))
    FUNCTIONS[name, dtype](size, *addresses)
    if result is not maps[wanted]:
        maps[wanted].copy_(result)
