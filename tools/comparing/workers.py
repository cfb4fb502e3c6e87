"""Processes that do the runs, one a device at a time."""

import multiprocessing
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import torch
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

from benchmarks.report import describe_machine

from . import records
from .plan import Plan, Run, conditions
from .train import train


def do_all(plan: Plan, runs: list[Run], devices: list[int | None], tell: Callable) -> None:
    """Does ``runs``, on every device one after the other.

    Args:
        plan: What they are of.
        runs: In the order in which they begin.
        devices: Numbers of GPUs; None is the CPU, or the GPU that PyTorch would take.
        tell: Is called with every run that ended, and its record; None where another process does
            it or did it.
    """
    waiting = queue.SimpleQueue()
    for run in runs:
        waiting.put(run)
    workers = [Worker(plan, device) for device in devices]

    def serve(worker: Worker) -> None:
        while True:
            try:
                run = waiting.get_nowait()
            except queue.Empty:
                return
            tell(run, worker.do(run))

    threads = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in workers]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for worker in workers:
            worker.end()


class Worker:
    """A process that does runs on a device; where it dies, the next run has a new one."""

    def __init__(self, plan: Plan, device: int | None) -> None:
        self.plan = plan
        self.device = device
        self.process = None

    def do(self, run: Run) -> dict | None:
        """Does ``run``; its record, or None where it is another process's."""
        if self.process is None:
            self._start()
        try:
            self.pipe.send(run)
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            reason = f'its process ended with exit code {self.process.exitcode}'
            self.process = None
            record = about(self.plan, run) | dict(status='failed', error=reason)
            records.append(self.plan.folder, record)
            return record

    def end(self) -> None:
        """Ends the process, in the middle of a run too, which can be gone on with."""
        if self.process is not None:
            self.process.terminate()
            self.process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context('spawn')
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, self.plan, self.device))
        self.process.start()
        # the end of the process is then the end of the pipe
        other.close()


def _serve(pipe, plan: Plan, device: int | None) -> None:
    if device is not None:
        torch.cuda.set_device(device)
    while True:
        try:
            run = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send(do(plan, run))


def do(plan: Plan, run: Run) -> dict | None:
    """Does ``run`` in this process; its record, or None where it is another process's."""
    with records.claim(plan.folder, run.key) as mine:
        if not mine:
            return None
        work_dir = plan.folder / 'runs' / run.key
        work_dir.mkdir(parents=True, exist_ok=True)
        record = about(plan, run)
        with printed_to(work_dir / 'output.txt'):
            try:
                trained = train(run, plan.folder)
                plan.metric.points(trained['scores'])
                record |= dict(status='done', **trained)
            except Exception as error:
                traceback.print_exc()
                record |= dict(status='failed', error=f'{type(error).__name__}: {error}')
            record['ended'] = datetime.now(timezone.utc).isoformat(timespec='seconds')
        # what mmengine holds for the whole process would reach the next run
        DefaultScope._instance_dict.clear()
        for kind in (Visualizer, *Visualizer.__subclasses__()):
            kind._instance_dict.clear()
        records.append(plan.folder, record)
        return record


def about(plan: Plan, run: Run) -> dict:
    """What a record says of a run before it began."""
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return dict(
        key=run.key,
        variant=run.variant,
        seed=run.seed,
        metric=plan.metric.key,
        planned=plan.seeds,
        machine=describe_machine(device),
        **conditions(),
    )


@contextmanager
def printed_to(path: Path) -> Iterator[None]:
    """Sends what this process prints, other libraries' output too, to the end of a file."""
    kept = [os.dup(1), os.dup(2)]
    _flush()
    with open(path, 'ab') as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        yield
    finally:
        _flush()
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)
            os.close(before)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
