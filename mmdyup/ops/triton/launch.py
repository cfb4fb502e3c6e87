"""The host's side of a launch: tiles, widths of numbers, results to be filled."""
import warnings

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..dtypes import memory_format_of

# What lies side by side in a tile: channels in channels-last, as a warp's widest accesses; else
# columns, one for each thread of a warp or, where a row's last tile wastes less, of half a warp.
_MAX_CHANNELS = 128
_COLUMNS = (32, 16)

# Tensors that reach this far, in elements, are indexed in 64 bits.
_WIDE = 1 << 31

_DTYPES = {torch.float32: tl.float32, torch.float64: tl.float64}


def launch(kernel: triton.JITFunction, programs: int, x: Tensor, *args, **constants) -> None:
    """Runs ``kernel`` on the device of ``x``; nothing where there are no programs."""
    if programs:
        with torch.cuda.device_of(x):
            kernel[(programs, )](x, *args, **constants)


def choose_tile(channels: int, columns: int, channels_last: bool, elements: int) -> dict[str, int]:
    """The constants of a tile of about ``elements``: its blocks, CHANNELS and CHANNEL_AXIS."""
    if channels_last:
        block_c = min(triton.next_power_of_2(channels), _MAX_CHANNELS)
        block_v = min(triton.next_power_of_2(columns), max(1, elements // block_c))
    else:
        block_v = min(_COLUMNS, key=lambda block: triton.cdiv(columns, block) * block)
        block_c = min(triton.next_power_of_2(channels), max(1, elements // block_v))
    return dict(CHANNELS=channels, BLOCK_C=block_c, BLOCK_V=block_v,
                CHANNEL_AXIS=0 if channels_last else 1)


def choose_numbers(dtype: torch.dtype, *tensors: Tensor) -> dict[str, tl.dtype]:
    """DTYPE, to compute in, and INDEX, 64 bits wide where an offset needs them."""
    extent = max(1 + sum((n - 1) * stride for n, stride in zip(t.shape, t.stride(), strict=True))
                 for t in tensors)
    return dict(DTYPE=_DTYPES[dtype], INDEX=tl.int64 if extent >= _WIDE else tl.int32)


def is_channels_last(x: Tensor) -> bool:
    return memory_format_of(x) == torch.channels_last


def zeros_to_add_to(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """``x`` without gaps or overlap in memory, and zeros of ``dtype`` that lie the same way."""
    x = x.contiguous(memory_format=memory_format_of(x))
    return x, torch.zeros_like(x, dtype=dtype)


def alert_not_deterministic(what: str) -> None:
    """What PyTorch does before an operator that is not deterministic.

    Raises:
        RuntimeError: Under ``torch.use_deterministic_algorithms(True)``, unless it only warns.
    """
    if torch.are_deterministic_algorithms_enabled():
        text = (f'{what} does not have a deterministic implementation, but you set '
                "'torch.use_deterministic_algorithms(True)'.")
        if not torch.is_deterministic_algorithms_warn_only_enabled():
            raise RuntimeError(f"{text} Choose backend='native', or set warn_only=True.")
        warnings.warn(text, stacklevel=2)
