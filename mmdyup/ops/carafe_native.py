import torch
import torch.nn.functional as F
from torch import Tensor

from .backends import is_exported, is_traced
from .carafe_blockwise import reassemble
from .tensors import compute_dtype, memory_format_of
from .windows import reassemble_windows


def carafe_native(
    x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int
) -> Tensor:
    """Reassembly in PyTorch's own operations, for every device: see :func:`mmdyup.ops.carafe`.

    It goes by blocks, in a compiled graph too unless channels lie innermost already: then the sum
    over the k² shifts, fused into one loop, is faster. A graph that cannot hold an operator of
    ours has plain operations: that sum, or, traced by torch.jit, what counters of operations know.
    Arguments are taken as checked.
    """
    if torch.jit.is_tracing():
        run = _grouped_windows
    elif is_exported() or is_traced() and memory_format_of(x) == torch.channels_last:
        run = _shifted_sum
    else:
        run = reassemble
    return run(x, kernels, kernel_size, groups, scale_factor)


def _grouped_windows(x: Tensor, kernels: Tensor, k: int, groups: int, s: int) -> Tensor:
    n, c, h, w = x.shape
    dtype = compute_dtype(x, kernels)
    y = reassemble_windows(
        x.to(dtype).reshape(n * groups, c // groups, h, w),
        kernels.to(dtype).reshape(n * groups, k * k, s * h, s * w),
        k,
        s,
    )
    return y.reshape(n, c, s * h, s * w).to(x.dtype)


def _shifted_sum(x: Tensor, kernels: Tensor, k: int, groups: int, s: int) -> Tensor:
    n, c, h, w = x.shape
    dtype = compute_dtype(x, kernels)
    r = k // 2
    # channels innermost: a weight then meets a whole vector of them
    padded = F.pad(x.to(dtype).permute(0, 2, 3, 1), (0, 0, r, r, r, r))
    padded = padded.reshape(n, h + k - 1, 1, w + k - 1, 1, groups, c // groups)
    m = kernels.to(dtype).reshape(n, groups, k * k, h, s, w, s).permute(2, 0, 3, 4, 5, 6, 1)
    y = sum(
        m[a * k + b, ..., None] * padded[:, a : a + h, :, b : b + w]
        for a in range(k)
        for b in range(k)
    )
    return y.reshape(n, s * h, s * w, c).permute(0, 3, 1, 2).to(x.dtype)
