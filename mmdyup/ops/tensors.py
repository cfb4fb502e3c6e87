"""What every way of an operator does with tensors: dtypes, memory formats, cells, shuffles."""

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# Fewer channels that lie side by side fill no vector of PyTorch's.
_FEW_CHANNELS = 16


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """The dtype to compute in: float64 where a tensor has it, else float32."""
    for tensor in tensors:
        if tensor.dtype is torch.float64:
            return torch.float64
    return torch.float32


def memory_format_of(x: Tensor) -> torch.memory_format:
    """The memory format of ``x``, (N, C, H, W): channels-last only where it is nothing else."""
    if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
        return torch.contiguous_format
    return torch.channels_last


def is_channels_last(x: Tensor) -> bool:
    """Whether :func:`memory_format_of` gives channels-last."""
    return memory_format_of(x) == torch.channels_last


def format_of(channels_last: bool) -> torch.memory_format:
    """The memory format that an operator's argument names, which can be no memory format."""
    return torch.channels_last if channels_last else torch.contiguous_format


def empty_upsampled(x: Tensor, scale_factor: int) -> Tensor:
    """Room for a result, (N, C, sH, sW), in the dtype and memory format of ``x``."""
    n, c, h, w = x.shape
    return torch.empty(
        (n, c, scale_factor * h, scale_factor * w),
        dtype=x.dtype,
        device=x.device,
        memory_format=memory_format_of(x),
    )


def cell_centres(x: Tensor, scale_factor: int, dtype: torch.dtype) -> Tensor:
    """(2, sH, sW): the column and the row in ``x`` of every output position's cell."""
    columns, rows = (
        (torch.arange(n * scale_factor, device=x.device) // scale_factor).to(dtype)
        for n in x.shape[:-3:-1]
    )
    # not meshgrid, which the exporter of PyTorch 2.1 cannot write
    return torch.stack((columns + 0 * rows[:, None], rows[:, None] + 0 * columns))


def split_cells(large: Tensor, scale_factor: int) -> Tensor:
    """(N, C, sH, sW) to (N, C, H, s, W, s), a view; [:, :, h, i, w, j] is place (i, j) of a cell.

    Against it a map ``small[:, :, :, None, :, None]`` broadcasts as if upsampled to the nearest.
    """
    return large.unflatten(3, (-1, scale_factor)).unflatten(2, (-1, scale_factor))


def fill_cells(small: Tensor, scale_factor: int) -> Tensor:
    """(N, C, H, W) to (N, C, sH, sW): upsampled to the nearest pixel.

    A sum with it has its gradient in a tenth of the time that broadcasting over cells takes.
    """
    if torch.jit.is_tracing() and not torch.onnx.is_in_onnx_export():
        # the same copies: counters of operations would take interpolation for arithmetic
        return small.repeat_interleave(scale_factor, 2).repeat_interleave(scale_factor, 3)
    return F.interpolate(small, scale_factor=float(scale_factor), mode='nearest')


def join_cells(cells: Tensor) -> Tensor:
    """The inverse of :func:`split_cells`."""
    return cells.flatten(4, 5).flatten(2, 3)


def pixel_shuffle(x: Tensor, scale_factor: int) -> Tensor:
    """(N, C·s², H, W) to (N, C, sH, sW); channel c·s² + i·s + j is place (i, j) of a cell.

    PyTorch's own gives an empty batch a wrong shape.
    """
    cells = x.unflatten(1, (-1, scale_factor, scale_factor))
    return join_cells(cells.permute(0, 1, 4, 2, 5, 3))


def pixel_unshuffle(x: Tensor, scale_factor: int) -> Tensor:
    """The inverse of :func:`pixel_shuffle`: (N, C, sH, sW) to (N, C·s², H, W)."""
    return split_cells(x, scale_factor).permute(0, 1, 3, 5, 2, 4).flatten(1, 3)


def softmax_kernels(logits: Tensor, groups: int) -> Tensor:
    """Softmax over each group's k² channels of (N, groups·k², H, W).

    The result is contiguous, or in channels-last where that spares a copy.
    """
    if groups == 1 and not torch.jit.is_tracing() and is_channels_last(logits):
        if logits.device.type == 'cpu' and logits.shape[1] >= _FEW_CHANNELS:
            return logits.permute(0, 2, 3, 1).softmax(3).permute(0, 3, 1, 2)
    logits = logits.contiguous()  # else PyTorch copies it there and back, and so the gradient
    if groups == 1:
        return logits.softmax(1)
    if torch.jit.is_tracing():  # whose ONNX graphs freeze the sizes that a view is given
        return torch.cat([part.softmax(1) for part in logits.chunk(groups, 1)], 1)
    return logits.unflatten(1, (groups, -1)).softmax(2).flatten(1, 2)


def without_autocast(function: Callable) -> Callable:
    """Has ``function``, whose first argument is a tensor, compute in the dtypes that it chooses."""

    @functools.wraps(function)
    def run(x: Tensor, *args):
        with torch.autocast(x.device.type, enabled=False):
            return function(x, *args)

    return run
