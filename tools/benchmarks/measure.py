"""Subjects timed against each other in the same run."""

import itertools
import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .case import Case, Features, Subject
from .memory import peak_bytes

Tell = Callable[[str], object]
Clock = Callable[[Callable[[], object], int], float]

DIRECTIONS = ('forward', 'forward_backward')
_SHORTEST_SAMPLE = 0.005  # seconds; calls that take less are timed several together
_MOST_CALLS = 200


@dataclass(frozen=True)
class Spread:
    """The median and the quartiles around it."""

    q1: float
    median: float
    q3: float


def spread(samples: list[float]) -> Spread:
    return Spread(*(float(value) for value in np.percentile(samples, (25, 50, 75))))


def ratios(samples: list[float], baseline: list[float]) -> list[float]:
    """Each sample by the baseline's of the same round."""
    return [a / b for a, b in zip(samples, baseline, strict=True)]


class Step:
    """One call of a subject: what is timed, and whose memory is counted.

    Args:
        subject: What is called.
        direction: 'forward' (without a graph for gradients) or 'forward_backward' (the gradients
            of the inputs and the parameters too).
        inputs: Sets of inputs that the calls take in turn.
        grad: The gradient that comes in from above, of the result's shape.
    """

    def __init__(
        self, subject: Subject, direction: str, inputs: list[tuple[Tensor, ...]], grad: Tensor
    ) -> None:
        self.subject = subject
        self.backward = direction == 'forward_backward'
        self.inputs = itertools.cycle(inputs)
        self.grad = grad

    def __call__(self) -> Tensor | tuple[Tensor, ...]:
        inputs = next(self.inputs)
        if not self.backward:
            with torch.no_grad():
                return self.subject.run(*inputs)
        y = self.subject.run(*inputs)
        # the result is part of the peak, and the caller of an upsampler holds it as well
        return y, *torch.autograd.grad(y, (*inputs, *self.subject.parameters), self.grad)


def clock_of(device: str) -> Clock:
    """The clock for calls that work on 'cpu' or 'cuda'."""
    return cuda_clock if device == 'cuda' else cpu_clock


def cpu_clock(call: Callable[[], object], times: int) -> float:
    """The mean of ``times`` calls in a row, in seconds.

    With one thread that is the time that the process itself had a processor: what else runs on the
    machine does not count.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begin = clock()
    for _ in range(times):
        call()
    return (clock() - begin) / times


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


def calls_per_sample(call: Callable[[], object], clock: Clock) -> int:
    """How often to call in a row, so that a sample is long enough for the clock.

    The second of two single calls decides: the first may still compile or allocate.
    """
    clock(call, 1)
    seconds = clock(call, 1)
    return max(1, min(_MOST_CALLS, math.ceil(_SHORTEST_SAMPLE / max(seconds, 1e-9))))


def interleave(
    calls: dict[Hashable, Callable[[], object]],
    rounds: int,
    clock: Clock,
    after_round: Callable[[], object] = lambda: None,
) -> dict[Hashable, list[float]]:
    """Times every call once in each round, so that a drift of the machine hits all of them alike.

    Args:
        calls: What to time, by name; called beforehand to warm up.
        rounds: How many samples to take of each.
        clock: Tells the seconds of a call.
        after_round: Called after each round.

    Returns:
        Seconds, one for each round, by name.
    """
    times = {name: calls_per_sample(call, clock) for name, call in calls.items()}
    samples = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            samples[name].append(clock(call, times[name]))
        after_round()
    return samples


@dataclass
class Timing:
    """Seconds; their ratio to the baseline's of the same round; all samples; the peak's bytes."""

    seconds: Spread
    ratio: Spread
    samples: list[float]
    peak_bytes: int


@dataclass
class Measured:
    """One subject without and with gradients."""

    forward: Timing
    forward_backward: Timing


def measure(
    subjects: dict[str, tuple[Case, Subject]], baseline: str, rounds: int, tell: Tell
) -> tuple[dict[str, Measured], dict[str, str]]:
    """Warms up all subjects, counts their memory, and times them in turn.

    Args:
        subjects: What to measure and on which case (all on one device), by name.
        baseline: The name that the ratios refer to.
        rounds: Samples of each subject and direction.
        tell: Called with what is done next, once for every subject and once for every round.

    Returns:
        The measurements by name, and the reasons why the others could not run.

    Raises:
        ValueError: The baseline could not run.
    """
    shared, calls, peaks, left_out = {}, {}, {}, {}
    for name, (case, subject) in subjects.items():
        tell(f'warm up {name}')
        if case not in shared:
            shared[case] = Features(case), case.high(case.channels)
        features, grad = shared[case]
        inputs = features.sets(subject)
        steps = {
            (direction, name): Step(subject, direction, inputs, grad) for direction in DIRECTIONS
        }
        try:
            peaks |= {key: _warm_peak(step, case.device) for key, step in steps.items()}
        except RuntimeError as error:  # no code for this dtype, no graph, no memory left
            left_out[name] = _first_line(error)
        else:
            calls |= steps
    if baseline in left_out:
        raise ValueError(
            f'The baseline {baseline} does not run on '
            f'{subjects[baseline][0].title} ({left_out[baseline]}); choose another '
            'one with --baseline.'
        )

    # one direction after the other, so that what is compared is measured close together
    calls = dict(sorted(calls.items(), key=lambda item: DIRECTIONS.index(item[0][0])))
    samples = interleave(
        calls, rounds, clock_of(subjects[baseline][0].device), lambda: tell('measure')
    )

    def timing(direction: str, name: str) -> Timing:
        own, other = samples[direction, name], samples[direction, baseline]
        return Timing(spread(own), spread(ratios(own, other)), own, peaks[direction, name])

    return {
        name: Measured(*(timing(direction, name) for direction in DIRECTIONS))
        for name in subjects
        if name not in left_out
    }, left_out


def _warm_peak(step: Step, device: str) -> int:
    step()
    return peak_bytes(step, device)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f'{type(error).__name__}: {lines[0]}' if lines else type(error).__name__
