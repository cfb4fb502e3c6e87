"""Which implementation of an operator runs: decided here and nowhere else.

'auto' takes what the environment variable ``MMDYUP_BACKEND`` names, where the operator has it and
it can run; else compiled code where that can run, mmcv's on CUDA and our C++ on the CPU; else the
native way, PyTorch's own operations. It takes Triton's kernels only by the variable, until their
times on a GPU are known (docs/benchmarks/h200.md).
"""

import functools
import importlib.util
import os
import warnings

import torch
from torch import Tensor

BACKENDS = {
    'carafe': ('mmcv', 'cpp', 'native', 'reference', 'triton'),
    'point_sample': ('cpp', 'native', 'reference', 'triton'),
    'expand_kernels': ('cpp', 'native', 'reference', 'triton'),
    'expand_and_reassemble': ('mmcv', 'cpp', 'native', 'reference', 'triton'),
    'neighborhood_scores': ('native', 'reference'),
}

_WARNED: set[str] = set()

# as torch.compile asks
_OLDEST_CAPABILITY = (7, 0)

HAS_TRITON = importlib.util.find_spec('triton') is not None

try:
    from .cpp import library  # noqa: F401

    HAS_CPP = True
except (ImportError, OSError):  # not built, or for another machine
    HAS_CPP = False


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
        return _choose_by_rule(op, x)
    if backend not in BACKENDS[op]:
        raise ValueError(
            f'backend must be one of auto, {", ".join(BACKENDS[op])} for {op}, but it '
            f'is {backend!r}.'
        )
    reason = _why_not(backend, x)
    if reason:
        raise ValueError(f"backend={backend!r} cannot run here: {reason}; use backend='auto'.")
    return backend


def usable_backends(op: str) -> list[str]:
    """Those of ``BACKENDS[op]`` that can run on this machine for some feature."""
    missing = set() if mmcv_has_cuda() else {'mmcv'}
    if not (HAS_TRITON and (torch.cuda.is_available() or triton_is_interpreted())):
        missing.add('triton')
    if not HAS_CPP:
        missing.add('cpp')
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


@torch.compiler.assume_constant_result  # else it would break a compiled graph
def warn_once(text: str) -> None:
    """Warns of what changes how fast a program is, but not what it computes."""
    if text not in _WARNED:
        _WARNED.add(text)
        warnings.warn(text, stacklevel=3)


@torch.compiler.assume_constant_result
def _is_too_old_for_triton(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) < _OLDEST_CAPABILITY


def _choose_by_rule(op: str, x: Tensor) -> str:
    wanted = os.environ.get('MMDYUP_BACKEND', 'auto')
    known = sorted({name for backends in BACKENDS.values() for name in backends})
    if wanted not in ('auto', *known):
        raise ValueError(
            f'MMDYUP_BACKEND must be one of auto, {", ".join(known)}, but it is {wanted!r}.'
        )
    chosen = next(
        backend
        for backend in ('mmcv', 'cpp', 'native')
        if backend in BACKENDS[op] and not _why_not(backend, x)
    )
    if wanted not in BACKENDS[op]:
        return chosen
    reason = _why_not(wanted, x)
    if reason:
        warn_once(f'MMDYUP_BACKEND={wanted} cannot run {op} here: {reason}; {chosen} runs instead.')
    return chosen if reason else wanted


def _why_not(backend: str, x: Tensor) -> str:
    """Why ``backend`` cannot run for the feature ``x``; empty where it can."""
    return _WHY_NOT[backend](x) if backend in _WHY_NOT else ''


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


def _why_not_cpp(x: Tensor) -> str:
    if not HAS_CPP:
        return "mmdyup's C++ code is not built, which installing mmdyup does where a compiler is"
    if x.device.type != 'cpu':
        return f"mmdyup's C++ code is for the CPU, but the feature is on {x.device.type}"
    return 'a graph that leaves Python cannot hold its functions' if is_exported() else ''


def _why_not_triton(x: Tensor) -> str:
    if not HAS_TRITON:
        return 'Triton is not installed'
    if not x.is_cuda and not triton_is_interpreted():
        return f'Triton has code for CUDA, but the feature is on {x.device.type}'
    if x.is_cuda and _is_too_old_for_triton(x.device):
        return 'Triton needs a GPU of compute capability {}.{} or above'.format(*_OLDEST_CAPABILITY)
    return 'a graph that leaves Python cannot hold its kernels' if is_exported() else ''


_WHY_NOT = {'mmcv': _why_not_mmcv, 'cpp': _why_not_cpp, 'triton': _why_not_triton}
