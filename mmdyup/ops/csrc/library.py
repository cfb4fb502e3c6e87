"""The library that setup.py builds of the C++ files here; importing this fails where it has not.

It knows nothing of Python or PyTorch, so one build serves all their versions. On x86 there are two,
one for processors with AVX2.
"""

import ctypes
from math import ceil
from pathlib import Path

import torch
from torch import Tensor

from ..tensors import memory_format_of

# as in interface.cpp
_INTERFACE = 1

# channels of a block, a tile of which stays in the first cache
_BLOCK, _SMALLEST_BLOCK = 128, 16


class Map(ctypes.Structure):
    """A map to be upsampled and how the work on it is divided; field by field as in blocks.h."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            'images',
            'channels',
            'height',
            'width',
            'groups',
            'scale_factor',
            'block',
            'channels_last',
            'threads',
        )
    ]

    @classmethod
    def of(cls, x: Tensor, groups: int, scale_factor: int, **others) -> 'Map':
        """For ``x``, (N, C, H, W); ``others`` are fields that a subclass adds."""
        return cls(
            *x.shape,
            groups,
            scale_factor,
            _BLOCK,
            memory_format_of(x) == torch.channels_last,
            torch.get_num_threads(),
            **others,
        )

    def divide_channels(self) -> None:
        """Makes blocks smaller where threads, which divide them, would idle otherwise."""
        while self.block > _SMALLEST_BLOCK and (
            self.images * self.groups * self.blocks_of_group < self.threads
        ):
            self.block //= 2

    @property
    def blocks_of_group(self) -> int:
        return ceil(self.channels // self.groups / self.block)


def call(name: str, sizes: Map, *tensors: Tensor | None) -> None:
    """Runs a function of the library, the one for the first tensor's dtype; None is null."""
    dtype = str(tensors[0].dtype).removeprefix('torch.')
    pointers = (
        ctypes.c_void_p(None if tensor is None else tensor.data_ptr()) for tensor in tensors
    )
    getattr(_LIBRARY, f'mmdyup_{name}_{dtype}')(ctypes.byref(sizes), *pointers)


def make_ready(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x``, (N, C, H, W), in ``dtype`` and without gaps."""
    return x.to(dtype).contiguous(memory_format=memory_format_of(x))


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
    if library.mmdyup_interface() != _INTERFACE:
        raise ImportError(
            "mmdyup's C++ code was built for another version of it: install mmdyup again."
        )
    return library


_LIBRARY = load(Path(__file__).parent)
