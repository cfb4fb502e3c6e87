"""How long a call takes, in seconds."""

import time
from collections.abc import Callable

import torch

Clock = Callable[[Callable[[], object], int], float]


def clock_of(device: str) -> Clock:
    """The clock for calls that work on 'cpu' or 'cuda'."""
    return cuda_clock if device == 'cuda' else cpu_clock


def cpu_clock(call: Callable[[], object], times: int) -> float:
    """The mean of ``times`` calls in a row, in seconds."""
    begin = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - begin) / times


def cuda_clock(call: Callable[[], object], times: int) -> float:
    """The same on the GPU's own clock."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    for _ in range(times):
        call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000 / times
