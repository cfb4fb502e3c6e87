"""The host's side of a launch: tiles, widths of numbers, results to be filled."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tensors import is_channels_last

# Threads of a program, Triton's own choice, and registers of each, by which three programs and more
# share a multiprocessor.
_THREADS, REGISTERS = 128, 168

# What lies side by side in a tile of columns and channels: channels in channels-last, as a warp's
# widest accesses; else columns, one for each thread of a warp or, where a row's last tile wastes
# less, of half a warp.
_MAX_CHANNELS = 128
_COLUMNS = (32, 16)

# Kernel values that a thread keeps in registers, and the channels that go by in one program: fewer
# where there would be few programs.
_MAX_WEIGHTS = 128
_MIN_CHANNELS, _MANY_PROGRAMS = 32, 1024

# Channels of which a thread waits for samples at the same time.
_SAMPLED_CHANNELS = 4

# Tensors that reach this far, in elements, are indexed in 64 bits.
_WIDE = 1 << 31

_DTYPES = {torch.float32: tl.float32, torch.float64: tl.float64}


# Takes the arguments of launch() and stands in for it.
_intercept: Callable[..., None] | None = None


def launch(kernel: triton.JITFunction, programs: int, x: Tensor, *args, **constants) -> None:
    """Runs ``kernel`` on the device of ``x``; nothing where there are no programs."""
    if _intercept is not None:
        _intercept(kernel, programs, x, *args, **constants)
    elif programs:
        with torch.cuda.device_of(x):
            kernel[(programs,)](x, *args, **constants, maxnreg=REGISTERS)


@contextmanager
def intercept_launches(handler: Callable[..., None]) -> Iterator[None]:
    """Within it, ``launch`` calls ``handler`` with its own arguments instead of running a kernel.

    It holds for all threads: on a GPU the backward pass has one of its own.
    """
    global _intercept
    before, _intercept = _intercept, handler
    try:
        yield
    finally:
        _intercept = before


def choose_tile(channels: int, columns: int, channels_last: bool, elements: int) -> dict[str, int]:
    """The constants of a tile of about ``elements``: its blocks, CHANNELS and CHANNEL_AXIS."""
    if channels_last:
        block_c = min(triton.next_power_of_2(channels), _MAX_CHANNELS)
        block_w = min(triton.next_power_of_2(columns), max(1, elements // block_c))
    else:
        block_w = _least_waste(columns, _COLUMNS)
        block_c = min(triton.next_power_of_2(channels), max(1, elements // block_w))
    return dict(
        CHANNELS=channels, BLOCK_C=block_c, BLOCK_W=block_w, CHANNEL_AXIS=0 if channels_last else 1
    )


def choose_cells_tile(x: Tensor, groups: int) -> dict[str, int]:
    """The constants of a tile of which a thread has one cell, and one wide access of channels."""
    _, c, _, w = x.shape
    if is_channels_last(x):
        block_c = min(triton.next_power_of_2(c // groups), 8 * 16 // x.element_size())
        cells, columns = max(1, _THREADS * (16 // x.element_size()) // block_c), (4,)
    else:
        block_c, cells, columns = 1, _THREADS, _COLUMNS
    block_w = _least_waste(w, columns)
    return dict(
        CHANNELS=c // groups,
        BLOCK_C=block_c,
        BLOCK_H=max(1, cells // block_w),
        BLOCK_W=block_w,
        CHANNEL_AXIS=0 if is_channels_last(x) else 1,
    )


def choose_sums_tile(x: Tensor, groups: int, multiple: int) -> dict[str, int]:
    """Such a tile for sums over channels, in ``multiple`` programs; WIDTH is that of the access.

    Where there would be few programs, the warps of one share its channels, not its cells.
    """
    tile = choose_cells_tile(x, groups)
    if is_channels_last(x):
        return dict(tile, WIDTH=min(tile['BLOCK_C'], 16 // x.element_size()))
    if count_programs(x, multiple, tile) < _MANY_PROGRAMS:
        share = min(tile['BLOCK_H'], triton.next_power_of_2(tile['CHANNELS']))
        tile.update(BLOCK_H=tile['BLOCK_H'] // share, BLOCK_C=share)
    return dict(tile, WIDTH=1)


def choose_samples_tile(x: Tensor, groups: int, scale_factor: int) -> dict[str, int]:
    """Such a tile for samples, of some channels at a time, at one or two COLUMNS of a cell."""
    tile = dict(choose_cells_tile(x, groups), COLUMNS=math.gcd(scale_factor, 2))
    if not is_channels_last(x):
        tile['BLOCK_C'] = min(_SAMPLED_CHANNELS, triton.next_power_of_2(tile['CHANNELS']))
    return tile


def count_programs(x: Tensor, multiple: int, tile: dict[str, int]) -> int:
    """The programs that have all cells of ``x``, ``multiple`` for each tile of an image."""
    n, _, h, w = x.shape
    return n * multiple * triton.cdiv(h, tile['BLOCK_H']) * triton.cdiv(w, tile['BLOCK_W'])


def choose_places(kernel_size: int, scale_factor: int, expand: bool = False) -> tuple[int, int]:
    """Rows and columns of a cell's places whose kernels a thread keeps in registers.

    To ``expand`` kernels takes registers too.
    """
    limit = _MAX_WEIGHTS // 2 if expand else _MAX_WEIGHTS
    most = math.gcd(scale_factor, 2)
    return next(
        (
            (rows, columns)
            for rows, columns in ((most, most), (1, most))
            if rows * columns * kernel_size**2 <= limit
        ),
        (1, 1),
    )


def choose_chunk(channels: int, block_c: int, programs: int) -> int:
    """The channels of one program, where each would multiply the ``programs``."""
    parts = min(
        triton.cdiv(channels, max(block_c, _MIN_CHANNELS)),
        triton.cdiv(_MANY_PROGRAMS, max(1, programs)),
    )
    return triton.cdiv(triton.cdiv(channels, parts), block_c) * block_c


def _least_waste(size: int, blocks: tuple[int, ...]) -> int:
    return min(blocks, key=lambda block: triton.cdiv(size, block) * block)


def choose_numbers(dtype: torch.dtype, *tensors: Tensor) -> dict[str, tl.dtype]:
    """DTYPE, to compute in, and INDEX, 64 bits wide where an offset needs them."""
    extent = max(
        1 + sum((n - 1) * stride for n, stride in zip(t.shape, t.stride(), strict=True))
        for t in tensors
    )
    return dict(DTYPE=_DTYPES[dtype], INDEX=tl.int64 if extent >= _WIDE else tl.int32)


def alert_not_deterministic(what: str) -> None:
    """What PyTorch does before an operator that is not deterministic.

    Raises:
        RuntimeError: Under ``torch.use_deterministic_algorithms(True)``, unless it only warns.
    """
    if torch.are_deterministic_algorithms_enabled():
        text = (
            f'{what} does not have a deterministic implementation, but you set '
            "'torch.use_deterministic_algorithms(True)'."
        )
        if not torch.is_deterministic_algorithms_warn_only_enabled():
            raise RuntimeError(f"{text} Choose backend='native', or set warn_only=True.")
        warnings.warn(text, stacklevel=2)
