"""Processes that do the runs: one a device at a time, or several together."""

import multiprocessing
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from multiprocessing import connection
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

from benchmarks.report import describe_machine

from . import records
from .plan import Plan, Run, conditions
from .train import train

LOCAL = '127.0.0.1'


def do_all(plan: Plan, runs: list[Run], devices: list[tuple[int, ...]], tell: Callable) -> None:
    """Does ``runs``, on every device one after the other.

    Args:
        plan: What they are of.
        runs: In the order in which they begin.
        devices: For each run at a time, the numbers of its GPUs, one for each of the plan's
            processes; none are the CPU, or the GPU that PyTorch would take.
        tell: Is called with every run that ended, and its record; None where another call does it
            or did it.
    """
    waiting = queue.SimpleQueue()
    for run in runs:
        waiting.put(run)
    teams = [Team(plan, gpus) for gpus in devices]

    def serve(team: 'Team') -> None:
        while True:
            try:
                run = waiting.get_nowait()
            except queue.Empty:
                return
            tell(run, team.do(run))

    threads = [threading.Thread(target=serve, args=(team,), daemon=True) for team in teams]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for team in teams:
            team.end()


@dataclass(frozen=True)
class Place:
    """Where a process stands among those of its team.

    Args:
        rank: From 0 on.
        processes: How many there are.
        gpu: The one that it takes; None is the CPU, or what PyTorch would take.
        port: Where several find each other.
    """

    rank: int
    processes: int
    gpu: int | None
    port: int | None


class Team:
    """The processes that do a run together, mostly one; where one dies, or one of several fails,
    the next run has new ones."""

    def __init__(self, plan: Plan, gpus: tuple[int, ...]) -> None:
        self.plan = plan
        self.gpus = gpus
        self.members = {}  # processes by the pipes to them, the first of them first

    def do(self, run: Run) -> dict | None:
        """Does ``run``; its record, or None where it is another call's."""
        with records.claim(self.plan.folder, run.key) as mine:
            if not mine:
                return None
            if not self.members:
                self._start()
            record = self._train(run)
            records.append(self.plan.folder, record)
            return record

    def end(self) -> None:
        """Ends the processes, in the middle of a run too, which can be gone on with."""
        for process in self.members.values():
            process.terminate()
        for process in self.members.values():
            process.join()
        self.members = {}

    def _start(self) -> None:
        context = multiprocessing.get_context('spawn')
        count = self.plan.processes
        if count > 1:
            self.store = dist.TCPStore(LOCAL, 0, is_master=True, wait_for_workers=False)
        for rank in range(count):
            gpu = self.gpus[rank] if self.gpus else None
            place = Place(rank, count, gpu, self.store.port if count > 1 else None)
            pipe, other = context.Pipe()
            process = context.Process(target=_serve, args=(other, self.plan, place))
            process.start()
            # the end of the process is then the end of the pipe
            other.close()
            self.members[pipe] = process

    def _train(self, run: Run) -> dict:
        """The record that the first process makes of ``run``, or of the first failure."""
        answers = {}
        try:
            for pipe in self.members:
                pipe.send(run)
            while len(answers) < len(self.members):
                for pipe in connection.wait(self.members.keys() - answers.keys()):
                    answers[pipe] = pipe.recv()
                    if answers[pipe]['status'] == 'failed':
                        return self._after(answers[pipe])
        except (EOFError, OSError):
            self.members[pipe].join()
            failed = about(self.plan, run) | dict(status='failed', error='its process ended')
            return self._after(failed)
        return answers[next(iter(self.members))]

    def _after(self, failed: dict) -> dict:
        """Ends those that would wait for one that failed; the record, with the reason."""
        # what one tells may be that another died
        dead = [
            (rank, process.exitcode)
            for rank, process in enumerate(self.members.values())
            if not process.is_alive()
        ]
        several = len(self.members) > 1
        if dead:
            rank, code = dead[0]
            which = f'process {rank}' if several else 'its process'
            failed |= dict(error=f'{which} ended with exit code {code}')
        if dead or several:
            self.end()
        return failed


def _serve(pipe, plan: Plan, place: Place) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            run = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send(do(plan, run, place))


def _end_with_parent() -> None:
    """Whoever ends a comparison ends its runs, by whatever signal."""
    multiprocessing.parent_process().join()
    os._exit(1)


def do(plan: Plan, run: Run, place: Place) -> dict:
    """Does ``run`` in this process, with the others of its team; its record."""
    work_dir = plan.folder / 'runs' / run.key
    work_dir.mkdir(parents=True, exist_ok=True)
    record = about(plan, run)
    with printed_to(work_dir / 'output.txt'):
        try:
            meet(place)
            trained = train(run, plan.folder)
            if trained:
                plan.metric.points(trained['scores'])
            record |= dict(status='done', **trained or {})
        except Exception as error:
            traceback.print_exc()
            record |= dict(status='failed', error=f'{type(error).__name__}: {error}')
        record['ended'] = datetime.now(timezone.utc).isoformat(timespec='seconds')
    # what mmengine holds for the whole process would reach the next run
    DefaultScope._instance_dict.clear()
    for kind in (Visualizer, *Visualizer.__subclasses__()):
        kind._instance_dict.clear()
    return record


def meet(place: Place) -> None:
    """Takes a process's GPU, and joins it to the others of its team, once."""
    if place.gpu is not None:
        torch.cuda.set_device(place.gpu)
    if place.processes == 1 or dist.is_initialized():
        return
    # they share the cores
    torch.set_num_threads(max(1, torch.get_num_threads() // place.processes))
    # mmengine reads there which GPU a model is on
    os.environ['LOCAL_RANK'] = str(place.rank if place.gpu is None else place.gpu)
    store = dist.TCPStore(LOCAL, place.port, is_master=False)
    backend = 'gloo' if place.gpu is None else 'nccl'
    dist.init_process_group(backend, store=store, rank=place.rank, world_size=place.processes)


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
