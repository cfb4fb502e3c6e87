"""Bytes that a call holds at its peak, beyond what was there before it."""

import json
import tempfile
from collections.abc import Callable
from inspect import signature
from itertools import accumulate
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(call: Callable[[], object], device: str) -> int:
    """The most bytes that ``call``, its result included, held at a time of PyTorch's memory.

    Counted are all allocations through PyTorch's allocators, those inside of operators too; not
    what a library takes from the operating system by itself. Call it once before, so that what
    is made once and kept is not counted.

    Args:
        call: Takes nothing; what it returns is still held when it ends.
        device: 'cpu' or 'cuda'.
    """
    return _cuda_peak(call) if device == 'cuda' else _cpu_peak(call)


def _cuda_peak(call: Callable[[], object]) -> int:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _cpu_peak(call: Callable[[], object]) -> int:
    # without it a newer PyTorch warns that events are dropped, which an older one never does
    keep = dict(acc_events=True) if 'acc_events' in signature(profile).parameters else {}
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, **keep) as trace:
        kept = call()
    del kept
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'trace.json'
        trace.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding='utf-8'))['traceEvents']
    changes = sorted(
        (event['ts'], event['args']['Bytes'])
        for event in events
        if event['name'] == '[memory]' and event['args']['Device Type'] == 0
    )
    return max(accumulate((change for _, change in changes), initial=0))
