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
    x, y, kernels = maps
    first, second = given
    inputs = make_ready(maps[first], dtype), make_ready(maps[second], dtype)
    result = room_for(maps[wanted], dtype)
    size = Reassembly(
        *x.shape,
        groups,
        scale_factor,
        BLOCK,
        is_channels_last(x),
        is_channels_last(y),
        torch.get_num_threads(),
        kernel_size,
        is_channels_last(kernels),
    )
    FUNCTIONS[name, dtype](size, *[z.data_ptr() for z in (*inputs, result)])
    if result is not maps[wanted]:
        maps[wanted].copy_(result)
