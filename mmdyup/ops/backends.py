"""Which implementation of an operator runs: decided here and nowhere else.

``backend='auto'`` takes what the environment variable ``MMDYUP_BACKEND`` names, else the default of
the feature's device. A backend that is asked for by name runs, or raises with the reason; what the
variable asks for gives way to the default, with one warning, where it cannot run.
"""

import functools
import importlib
import importlib.util
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor

#: Operator: {backend: the devices where it is the default, by precedence}. Triton's kernels are no
#: default until their times on a GPU are known (docs/benchmarks/h200.md).
BACKENDS = {
    'carafe': {'mmcv': 'cuda', 'cpp': 'cpu', 'native': 'any', 'reference': None, 'triton': None},
    'neighborhood_scores': {'cpp': 'cpu', 'native': 'any', 'reference': None, 'triton': None},
    'point_sample': {'cpp': 'cpu', 'native': 'any', 'reference': None, 'triton': None},
    'expand_kernels': {'cpp': 'cpu', 'native': 'any', 'reference': None, 'triton': None},
    'expand_and_reassemble': {
        'mmcv': 'cuda',
        'cpp': 'cpu',
        'native': 'any',
        'reference': None,
        'triton': None,
    },
    'attend': {'cpp': 'cpu', 'native': 'any', 'reference': None},
}
NAMES = sorted({name for backends in BACKENDS.values() for name in backends})

# as torch.compile asks
_OLDEST_CAPABILITY = (7, 0)

#: Whether torch.compile holds our operators in its graphs; before 2.4 it breaks them there.
GRAPHS_HOLD_OPERATORS = hasattr(torch.library, 'custom_op')

# its third version, which came with PyTorch 2.4
HAS_TRITON = importlib.util.find_spec('triton') is not None and GRAPHS_HOLD_OPERATORS

try:
    from .csrc import library  # noqa: F401

    HAS_CPP = True
except (ImportError, OSError):  # not built, or for another machine
    HAS_CPP = False

Results = Tensor | tuple[Tensor, ...]

#: Where exported graphs run that take forms of their own; TensorRT takes the ordinary one.
RUNTIMES = ('onnxruntime', 'openvino', 'tensorrt')
# the runtime that is being exported for
_RUNTIME: list[str] = []

_WARNED: set[str] = set()
# What Triton could not compile here.
_FAILED: set[str] = set()
# Follows the name of a backend that the variable asked for, and that may give way.
_OR_NATIVE = ' or native'


def choose_backend(op: str, backend: str, x: Tensor) -> str:
    """The backend of ``op`` for the feature ``x``, to be handed to :func:`run` or compared.

    Args:
        op: A key of ``BACKENDS``.
        backend: 'auto', or one of ``BACKENDS[op]``.
        x: The feature, (N, C, H, W).

    Returns:
        One of ``BACKENDS[op]``; 'triton or native' where the variable asked for Triton; 'fastest'
        where it asks for that and the call can be timed.

    Raises:
        ValueError: There is no such backend, or it cannot run for this feature here.
    """
    if backend == 'auto':
        wanted = _wanted()
        return default_backend(op, x) if wanted == 'auto' else _choose_wanted(op, wanted, x)
    if backend not in BACKENDS[op]:
        raise ValueError(
            f'backend must be one of auto, {", ".join(BACKENDS[op])} for {op}, but it '
            f'is {backend!r}.'
        )
    reason = why_not(backend, x)
    if reason:
        raise ValueError(f"backend={backend!r} cannot run here: {reason}; use backend='auto'.")
    return backend


def default_backend(op: str, x: Tensor) -> str:
    """The first of ``BACKENDS[op]`` that is a default on the device of ``x`` and can run."""
    for name, where in BACKENDS[op].items():
        if where in (x.device.type, 'any') and not why_not(name, x):
            return name


def usable_backends(op: str) -> list[str]:
    """Those of ``BACKENDS[op]`` that can run on this machine for some feature."""
    missing = set() if mmcv_has_cuda() else {'mmcv'}
    if not (HAS_TRITON and (torch.cuda.is_available() or triton_is_interpreted())):
        missing.add('triton')
    if not HAS_CPP:
        missing.add('cpp')
    return [backend for backend in BACKENDS[op] if backend not in missing]


def returns_results(function: Callable) -> Callable:
    """Marks a backend's function that makes its results itself; the others fill room for them."""
    function.returns_results = True
    return function


def run(
    package: str,
    primitive: str,
    backend: str,
    args: tuple,
    make_room: Callable[[], Results],
) -> Results:
    """Runs ``primitive`` as the file of ``backend`` in ``package`` defines it.

    Args:
        package: 'reassembly', 'sampling' or 'attention'.
        primitive: The function's name in that file.
        backend: What :func:`choose_backend` returned.
        args: What the function takes, but for the room that it fills.
        make_room: Makes that room, a tensor for every result.

    Raises:
        RuntimeError: Triton, asked for by name, cannot compile it.
    """
    name, gives_way, _ = backend.partition(_OR_NATIVE)
    if name != 'triton':
        return _call(package, name, primitive, args, make_room)
    if not (gives_way and primitive in _FAILED):
        try:
            return _call(package, name, primitive, args, make_room)
        except Exception as error:
            if not _is_the_compilers(error):
                raise
            failure = f'Triton cannot compile {primitive} here: {error}'
            if not gives_way:
                raise RuntimeError(f"{failure} Use backend='auto'.") from error
            _FAILED.add(primitive)
            warn_once(f"{failure} PyTorch's own operations run instead.")
    return _call(package, 'native', primitive, args, make_room)


def why_not(backend: str, x: Tensor) -> str:
    """Why ``backend`` cannot run for the feature ``x``; empty where it can."""
    return _WHY_NOT[backend](x) if backend in _WHY_NOT else ''


def triton_is_interpreted() -> bool:
    """Whether Triton's interpreter runs its kernels, on every device."""
    return os.environ.get('TRITON_INTERPRET') == '1'


@functools.cache
def mmcv_has_cuda() -> bool:
    """Whether mmcv is installed with its compiled CUDA operators."""
    try:
        from mmcv.ops import get_compiling_cuda_version
    except Exception:  # a broken installation raises more than ImportError
        return False
    return get_compiling_cuda_version() != 'not available'


def is_traced() -> bool:
    """Whether a graph is being recorded (torch.compile, torch.export, ONNX, torch.jit.trace)."""
    return _is_compiling() or torch.jit.is_tracing()


def is_exported() -> bool:
    """Whether a graph is recorded that leaves Python and so cannot hold an operator of ours."""
    if torch.jit.is_tracing() or is_exporting():
        return True
    return _is_compiling() and not _is_dynamo_compiling()


@contextmanager
def exported_for(runtime: str) -> Iterator[None]:
    """Has graphs that are exported within it take the form that is fastest in ``runtime``.

    The numbers are the same to rounding. Without it graphs hold GridSample, which ONNX Runtime
    computes slowly, and reassembly as sums over shifts or as small products::

        with exported_for('onnxruntime'):
            torch.onnx.export(model, pictures, 'model.onnx')

    =========== ========================= ==========================
    runtime     bilinear samples          reassembly
    =========== ========================= ==========================
    onnxruntime gathered rows, weighed    products of tiles of cells
    openvino    GridSample                products of tiles of cells
    tensorrt    GridSample                as without it
    =========== ========================= ==========================

    Args:
        runtime: 'onnxruntime', 'openvino' or 'tensorrt'.

    Raises:
        ValueError: There is no such runtime.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f'runtime must be one of {", ".join(RUNTIMES)}, but it is {runtime!r}.')
    _RUNTIME.append(runtime)
    try:
        yield
    finally:
        _RUNTIME.pop()


def exports_rows() -> bool:
    """Whether bilinear samples are exported as rows that are gathered and weighed."""
    return _RUNTIME[-1:] == ['onnxruntime']


def exports_tiles() -> bool:
    """Whether reassembly is exported as products of tiles of cells."""
    return _RUNTIME[-1:] in (['onnxruntime'], ['openvino'])


# PyTorch 2.1 to 2.3 have these, or nothing, in other places
_is_compiling = getattr(torch.compiler, 'is_compiling', None) or torch._dynamo.is_compiling
_is_dynamo_compiling = getattr(torch.compiler, 'is_dynamo_compiling', None) or _is_compiling
# 2.7 and later; a strict export goes through torch.compile, and only this tells them apart
is_exporting = getattr(torch.compiler, 'is_exporting', bool)


# PyTorch 2.1 puts the result in the function's place
_constant_in_graphs = (
    torch.compiler.assume_constant_result if GRAPHS_HOLD_OPERATORS else lambda function: function
)


@_constant_in_graphs  # else it would break a compiled graph
def warn_once(text: str) -> None:
    """Warns of what changes how fast a program is, but not what it computes."""
    if text not in _WARNED:
        _WARNED.add(text)
        warnings.warn(text, stacklevel=3)


def _wanted() -> str:
    """What ``MMDYUP_BACKEND`` names; an empty one names nothing."""
    return os.environ.get('MMDYUP_BACKEND') or 'auto'


if not GRAPHS_HOLD_OPERATORS:
    # PyTorch 2.1 cannot compile a look at a variable that is not set
    _wanted = torch.compiler.disable(_wanted)


def _choose_wanted(op: str, wanted: str, x: Tensor) -> str:
    """What ``MMDYUP_BACKEND`` asks for, or, with one warning, the default."""
    if wanted not in (*NAMES, 'fastest'):
        raise ValueError(
            f'MMDYUP_BACKEND must be one of auto, fastest, {", ".join(NAMES)}, but it is '
            f'{wanted!r}.'
        )
    if wanted == 'fastest':
        return wanted if _can_be_timed(x) else default_backend(op, x)
    reason = why_not(wanted, x) if wanted in BACKENDS[op] else f'{op} has no such backend'
    if reason:
        chosen = default_backend(op, x)
        warn_once(f'MMDYUP_BACKEND={wanted} cannot run {op} here: {reason}; {chosen} runs instead.')
        return chosen
    return wanted + _OR_NATIVE if wanted == 'triton' else wanted


def _can_be_timed(x: Tensor) -> bool:
    return x.numel() > 0 and not (
        is_traced() or x.is_cuda and torch.cuda.is_current_stream_capturing()
    )


def _call(
    package: str, name: str, primitive: str, args: tuple, make_room: Callable[[], Results]
) -> Results:
    function = getattr(_module(package, name), primitive)
    if hasattr(function, 'returns_results'):
        return function(*args)
    room = make_room()
    function(*args, *(room if isinstance(room, tuple) else (room,)))
    return room


@functools.cache
def _module(package: str, backend: str) -> ModuleType:
    return importlib.import_module(f'.{package}.{backend}', __package__)


def _is_the_compilers(error: Exception) -> bool:
    from triton.errors import TritonError

    # Triton also calls a C compiler, for what launches a kernel
    return (
        isinstance(error, (TritonError, subprocess.CalledProcessError))
        or isinstance(error, RuntimeError)
        and 'C compiler' in str(error)
    )


@_constant_in_graphs
def _is_too_old_for_triton(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) < _OLDEST_CAPABILITY


def _why_not_mmcv(x: Tensor) -> str:
    if not x.is_cuda:
        return f"mmcv's CARAFE has CUDA code only, but the feature is on {x.device.type}"
    if is_traced():
        return "mmcv's CARAFE cannot be traced"
    if not mmcv_has_cuda():
        return 'this mmcv was built without CUDA operators'
    return 'the batch is empty' if x.shape[0] == 0 else ''


def _why_not_cpp(x: Tensor) -> str:
    if not HAS_CPP:
        return "mmdyup's C++ code is not built, which installing mmdyup does where a compiler is"
    if x.device.type != 'cpu':
        return f"mmdyup's C++ code is for the CPU, but the feature is on {x.device.type}"
    return 'a graph that leaves Python cannot hold its functions' if is_exported() else ''


def _why_not_triton(x: Tensor) -> str:
    if not HAS_TRITON:
        return 'Triton 3, which comes with PyTorch 2.4 and later, is not installed'
    if not x.is_cuda and not triton_is_interpreted():
        return f'Triton has code for CUDA, but the feature is on {x.device.type}'
    if x.is_cuda and _is_too_old_for_triton(x.device):
        return 'Triton needs a GPU of compute capability {}.{} or above'.format(*_OLDEST_CAPABILITY)
    return 'a graph that leaves Python cannot hold its kernels' if is_exported() else ''


_WHY_NOT = {'mmcv': _why_not_mmcv, 'cpp': _why_not_cpp, 'triton': _why_not_triton}
