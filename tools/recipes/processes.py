"""Runs of several processes: what mmengine lacks for CPUs, and an end in order."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from mmengine.logging import print_log
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from .config import walk


@contextmanager
def joined(cfg) -> Iterator[None]:
    """What a run of several processes needs around it; nothing for a run of one.

    At the end the processes wait for each other: one that left before the others would take the
    group down under them. Without a GPU they talk through ``gloo``; mmengine asks for CUDA whatever
    the backend is, unless the group is there already.

    Args:
        cfg: An mmengine Config, edited in place.
    """
    several = cfg.get('launcher', 'none') != 'none'
    if several and not torch.cuda.is_available():
        use_cpus(cfg)
        dist.init_process_group('gloo')
    yield
    if several and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


@contextmanager
def workers_ended() -> Iterator[None]:
    """Ends, with what is done within it, the workers of dataloaders that began there.

    A process that trains more than once leaves Runners to Python's garbage collector. That closes
    the queues to the workers before PyTorch asks them to end, and PyTorch then waits five seconds
    for each, in the middle of whatever comes next.
    """
    begun = []
    begin = _MultiProcessingDataLoaderIter.__init__

    def begin_noted(self, *args, **options):
        begin(self, *args, **options)
        begun.append(self)

    _MultiProcessingDataLoaderIter.__init__ = begin_noted
    try:
        yield
    finally:
        _MultiProcessingDataLoaderIter.__init__ = begin
        for iterator in begun:
            iterator._shutdown_workers()


def use_cpus(cfg) -> None:
    """Lets the model of an mmengine Config, edited in place, be trained by processes on CPUs."""
    cfg.model_wrapper_cfg = dict(
        dict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
        | (cfg.get('model_wrapper_cfg') or {}),
        device_ids=None,
    )
    synchronized = [node for node in walk(cfg.model) if node.get('type') == 'SyncBN']
    for node in synchronized:
        node['type'] = 'BN'
    if synchronized:
        print_log(
            'SyncBN needs GPUs: on CPUs each process has batch statistics of its own (BN).',
            'current',
        )
