import torch
import torch.nn.functional as F
from torch import Tensor

from .backends import is_traced
from .carafe_blockwise import reassemble
from .dtypes import compute_dtype, memory_format_of


def carafe_native(x: Tensor, kernels: Tensor, kernel_size: int, groups: int,
                  scale_factor: int) -> Tensor:
    """Reassembly in PyTorch's own operations, for every device: see :func:`mmdyup.ops.carafe`.

    It goes by blocks, or, where a graph is recorded, by the sum over the k² shifts, which a
    compiler fuses into one loop and an exporter understands. Arguments are taken as checked.
    """
    run = _shifted_sum if _suits_a_graph(x) else reassemble
    return run(x, kernels, kernel_size, groups, scale_factor)


def _suits_a_graph(x: Tensor) -> bool:
    """Whether a graph is recorded that is better off with the sum over shifts.

    An exported or traced one cannot hold an operator of ours. A compiled one can, and the blocks
    are faster than what is generated unless channels lie innermost already.
    """
    compiled = torch.compiler.is_dynamo_compiling()
    return is_traced() and (not compiled or memory_format_of(x) == torch.channels_last)


def _shifted_sum(x: Tensor, kernels: Tensor, k: int, groups: int, s: int) -> Tensor:
    n, c, h, w = x.shape
    dtype = compute_dtype(x, kernels)
    r = k // 2
    # channels innermost: a weight then meets a whole vector of them
    padded = F.pad(x.to(dtype).permute(0, 2, 3, 1), (0, 0, r, r, r, r))
    padded = padded.reshape(n, h + k - 1, 1, w + k - 1, 1, groups, c // groups)
    m = kernels.to(dtype).reshape(n, groups, k * k, h, s, w, s).permute(2, 0, 3, 4, 5, 6, 1)
    y = sum(m[a * k + b, ..., None] * padded[:, a:a + h, :, b:b + w]
            for a in range(k) for b in range(k))
    return y.reshape(n, s * h, s * w, c).permute(0, 3, 1, 2).to(x.dtype)
