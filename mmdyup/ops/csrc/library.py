"""The library that setup.py builds of the C++ files here; importing this fails where it has not.

It knows nothing of Python or PyTorch, so one build serves all their versions. On x86 there are two,
one for processors with AVX2.
"""

import ctypes
import functools
from math import ceil
from pathlib import Path

import torch
from torch import Tensor

# as in interface.cpp
_INTERFACE = 8

#: Channels of a block at most, where a tile of it must stay in the first cache.
BLOCK = 128
# What blocks are made smaller to where threads, which divide them, would idle otherwise.
_SMALLEST_BLOCK = 16


def _fields(*names: str) -> list[tuple[str, type]]:
    return [(name, ctypes.c_int64) for name in names]


class Map(ctypes.Structure):
    """See maps.h."""

    _fields_ = _fields(
        'images',
        'channels',
        'height',
        'width',
        'groups',
        'scale_factor',
        'block',
        'x_channels_last',
        'y_channels_last',
        'threads',
    )


class Reassembly(Map):
    """See maps.h."""

    _fields_ = _fields('kernel_size', 'kernels_channels_last')


class Sampling(Map):
    """See maps.h."""

    _fields_ = [
        ('offsets_step', 7 * ctypes.c_int64),
        ('grad_offsets_step', 8 * ctypes.c_int64),
        ('scale', ctypes.c_double),
    ]


class Attention(Map):
    """See maps.h."""

    _fields_ = _fields('points', 'heads', 'positions_channels_last', 'weights_channels_last')


# What each function takes beside the struct, all of it addresses.
_FUNCTIONS = {
    'reassemble': (Reassembly, 3),
    'scores': (Reassembly, 3),
    'spread': (Reassembly, 3),
    'sample': (Sampling, 5),
    'sample_backward': (Sampling, 7),
    'compare': (Attention, 5),
    'collect': (Attention, 5),
    'collect_backward': (Attention, 8),
    'moments': (Map, 2),
}


def prepare(dtype: torch.dtype, *maps: Tensor, to: Tensor) -> tuple[Tensor, ...]:
    """``maps`` as a function takes them, and then what it fills: ``to``, or room for it.

    :func:`hand_over` then fills ``to``.

    Args:
        dtype: What is computed in.
        maps: (N, C, H, W); they come out without gaps: in channels-last, or contiguous.
        to: A result, in any dtype.
    """
    return *(_make_ready(x, dtype) for x in maps), room_for(to, dtype)


def _make_ready(x: Tensor, dtype: torch.dtype) -> Tensor:
    if x.dtype is not dtype:  # asking takes a tenth of the time that to() takes to return x
        x = x.to(dtype)
    if x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last):
        return x
    return x.contiguous()


def room_for(result: Tensor, dtype: torch.dtype) -> Tensor:
    """``result``, or a tensor like it in ``dtype``, in which a function computes."""
    return result if result.dtype is dtype else torch.empty_like(result, dtype=dtype)


def call(name: str, size: ctypes.Structure, *tensors: Tensor | None) -> None:
    """Calls a function on tensors of one dtype; None or an empty tensor is a null pointer."""
    addresses = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    FUNCTIONS[name, tensors[0].dtype](size, *addresses)


def hand_over(room: Tensor, result: Tensor) -> None:
    """Fills ``result`` with what was computed in the room for it."""
    if room is not result:
        result.copy_(room)


def count_threads(work: int, little: int) -> int:
    """One where the work takes no longer than threads take to begin, else all that PyTorch uses."""
    return torch.get_num_threads() if work >= little else 1


@functools.lru_cache(maxsize=1024)
def divide_channels(images: int, channels: int, groups: int, threads: int) -> tuple[int, int]:
    """Channels of a block, and how many blocks a group is divided into."""
    of_group = channels // groups
    block = min(of_group, BLOCK)
    while block > _SMALLEST_BLOCK and images * groups * ceil(of_group / block) < threads:
        block = ceil(block / 2)
    return block, ceil(of_group / block)


def load(folder: Path) -> ctypes.CDLL:
    """The best library in ``folder`` that this processor can run.

    Raises:
        ImportError: There is none, or it was built of other sources.
    """
    names = ['libmmdyup.so']
    if torch.backends.cpu.get_cpu_capability().startswith('AVX'):
        names.insert(0, 'libmmdyup_avx2.so')
    path = next((folder / name for name in names if (folder / name).exists()), None)
    if path is None:
        raise ImportError(
            "mmdyup's C++ code is not built: install a C++ compiler, then mmdyup again."
        )
    library = ctypes.CDLL(str(path))
    if not _fits(library):
        raise ImportError(
            "mmdyup's C++ code was built for another version of it: install mmdyup again."
        )
    return library


def find_functions(library: ctypes.CDLL) -> dict[tuple[str, torch.dtype], ctypes._CFuncPtr]:
    """The functions of ``library`` by name and dtype."""
    functions = {}
    for name, (struct, addresses) in _FUNCTIONS.items():
        for dtype in (torch.float32, torch.float64):
            function = getattr(library, f'mmdyup_{name}_{str(dtype).removeprefix("torch.")}')
            function.argtypes = [ctypes.POINTER(struct), *addresses * [ctypes.c_void_p]]
            function.restype = None
            functions[name, dtype] = function
    return functions


def _fits(library: ctypes.CDLL) -> bool:
    if library.mmdyup_interface() != _INTERFACE:
        return False
    size_of = library.mmdyup_size_of
    size_of.argtypes, size_of.restype = [ctypes.c_int64], ctypes.c_int64
    return all(
        size_of(index) == ctypes.sizeof(struct)
        for index, struct in enumerate((Reassembly, Sampling, Attention))
    )


FUNCTIONS = find_functions(load(Path(__file__).parent))
