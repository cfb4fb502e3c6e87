"""The contractions by compiled code for the CPU."""

import functools

from torch import Tensor

from ..csrc.library import BLOCK, Reassembly, call, count_threads, hand_over, prepare
from ..tensors import compute_dtype

# Fewer multiply-adds take no longer than threads take to begin.
_LITTLE = 1 << 18


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
    x, kernels, room = prepare(compute_dtype(x, kernels), x, kernels, to=y)
    size = _size(x, room, kernels, kernel_size, groups, scale_factor)
    call('reassemble', size, x, kernels, room)
    hand_over(room, y)


def scores(
    x: Tensor, y: Tensor, kernel_size: int, groups: int, scale_factor: int, kernels: Tensor
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    x, y, room = prepare(compute_dtype(x, y), x, y, to=kernels)
    call('scores', _size(x, y, room, kernel_size, groups, scale_factor), x, y, room)
    hand_over(room, kernels)


def spread(
    kernels: Tensor, y: Tensor, kernel_size: int, groups: int, scale_factor: int, x: Tensor
) -> None:
    """See :mod:`mmdyup.ops.reassembly.contractions`."""
    kernels, y, room = prepare(compute_dtype(kernels, y), kernels, y, to=x)
    size = _size(room, y, kernels, kernel_size, groups, scale_factor)
    call('spread', size, kernels, y, room)
    hand_over(room, x)


def _size(
    x: Tensor, y: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> Reassembly:
    return _known_size(
        x.shape,
        groups,
        scale_factor,
        not x.is_contiguous(),
        not y.is_contiguous(),
        count_threads(y.numel() * kernel_size**2, _LITTLE),
        kernel_size,
        not kernels.is_contiguous(),
    )


# filling a struct takes longer than finding it
@functools.lru_cache(maxsize=1024)
def _known_size(shape: tuple[int, ...], groups: int, scale_factor: int, *others: int) -> Reassembly:
    return Reassembly(*shape, groups, scale_factor, BLOCK, *others)
