"""Which implementation of an operator runs: decided here and nowhere else.

The environment variable ``MMDYUP_BACKEND`` replaces 'auto' by the backend it names, for operators
that have it.
"""
import functools
import importlib.util
import os

import torch
from torch import Tensor

BACKENDS = {
    'carafe': ('mmcv', 'native', 'reference', 'triton'),
    'point_sample': ('native', 'reference', 'triton'),
    'expand_kernels': ('native', 'reference'),
    'expand_and_reassemble': ('mmcv', 'native', 'reference', 'triton'),
    'neighborhood_scores': ('native', 'reference'),
}

HAS_TRITON = importlib.util.find_spec('triton') is not None


def choose_backend(op: str, backend: str, x: Tensor) -> str:
    """The name of the implementation of ``op`` that runs for the feature ``x``.

    Args:
        op: A key of ``BACKENDS``.
        backend: 'auto', or one of ``BACKENDS[op]``.
        x: The feature, (N, C, H, W).

    Raises:
        ValueError: There is no such backend, or it cannot run for this feature here.
    """
    instead = "use backend='auto'"
    if backend == 'auto':
        backend, instead = _preferred_backend(op), 'unset MMDYUP_BACKEND'
    if backend == 'auto':
        return 'mmcv' if 'mmcv' in BACKENDS[op] and not _why_not_mmcv(x) else 'native'
    if backend not in BACKENDS[op]:
        raise ValueError(f'backend must be one of auto, {", ".join(BACKENDS[op])} for {op}, but it '
                         f'is {backend!r}.')
    reason = _WHY_NOT[backend](x) if backend in _WHY_NOT else ''
    if reason:
        raise ValueError(f'backend={backend!r} cannot run here: {reason}; {instead}.')
    return backend


def usable_backends(op: str) -> list[str]:
    """Those of ``BACKENDS[op]`` that can run on this machine for some feature."""
    missing = set() if mmcv_has_cuda() else {'mmcv'}
    if not (HAS_TRITON and (torch.cuda.is_available() or triton_is_interpreted())):
        missing.add('triton')
    return [backend for backend in BACKENDS[op] if backend not in missing]


def triton_is_interpreted() -> bool:
    """Whether Triton's interpreter runs its kernels, on every device."""
    return os.environ.get('TRITON_INTERPRET') == '1'


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


def _preferred_backend(op: str) -> str:
    backend = os.environ.get('MMDYUP_BACKEND', 'auto')
    if backend in BACKENDS[op]:
        return backend
    known = sorted({name for backends in BACKENDS.values() for name in backends})
    if backend not in ('auto', *known):
        raise ValueError(f'MMDYUP_BACKEND must be one of auto, {", ".join(known)}, but it is '
                         f'{backend!r}.')
    return 'auto'


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


def _why_not_triton(x: Tensor) -> str:
    if not HAS_TRITON:
        return 'Triton is not installed'
    if not x.is_cuda and not triton_is_interpreted():
        return f'Triton has code for CUDA, but the feature is on {x.device.type}'
    return 'a graph that leaves Python cannot hold its kernels' if is_exported() else ''


_WHY_NOT = {'mmcv': _why_not_mmcv, 'triton': _why_not_triton}
