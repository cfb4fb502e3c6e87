"""Which implementation of an operator runs: decided here and nowhere else."""
import functools

import torch
from torch import Tensor

BACKENDS = {
    'carafe': ('mmcv', 'native', 'reference'),
    'point_sample': ('native', 'reference'),
    'expand_kernels': ('native', 'reference'),
    'neighborhood_scores': ('native', 'reference'),
}


def choose_backend(op: str, backend: str, x: Tensor) -> str:
    """The name of the implementation of ``op`` that runs for the feature ``x``.

    Args:
        op: A key of ``BACKENDS``.
        backend: 'auto', or one of ``BACKENDS[op]``.
        x: The feature, (N, C, H, W).

    Raises:
        ValueError: There is no such backend, or it cannot run for this feature here.
    """
    if backend == 'auto':
        return 'mmcv' if 'mmcv' in BACKENDS[op] and not _why_not_mmcv(x) else 'native'
    if backend not in BACKENDS[op]:
        raise ValueError(f'backend must be one of auto, {", ".join(BACKENDS[op])} for {op}, but it '
                         f'is {backend!r}.')
    if backend == 'mmcv' and (reason := _why_not_mmcv(x)):
        raise ValueError(f"backend='mmcv' cannot run here: {reason}; use backend='auto'.")
    return backend


@functools.cache
def mmcv_has_cuda() -> bool:
    """Whether mmcv is installed with its compiled CUDA operators."""
    try:
        from mmcv.ops import get_compiling_cuda_version
    except ImportError:
        return False
    return get_compiling_cuda_version() != 'not available'


def is_traced() -> bool:
    """Whether a graph is being recorded (torch.compile, torch.export, ONNX, torch.jit.trace)."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def is_exported() -> bool:
    """Whether a graph is recorded that leaves Python and so cannot hold an operator of ours."""
    return is_traced() and not torch.compiler.is_dynamo_compiling()


def _why_not_mmcv(x: Tensor) -> str:
    if not x.is_cuda:
        return f"mmcv's CARAFE has CUDA code only, but the feature is on {x.device.type}"
    if x.dtype == torch.bfloat16:
        return "mmcv's CARAFE has no bfloat16 code"
    if not mmcv_has_cuda():
        return 'this mmcv was built without CUDA operators'
    if is_traced():
        return "mmcv's CARAFE cannot be traced"
    return 'the batch is empty' if x.shape[0] == 0 else ''
