"""Subjects timed against each other in the same run."""

from collections.abc import Callable
from dataclasses import dataclass

from .case import Case
from .clock import clock_of
from .inputs import Features
from .memory import peak_bytes
from .rounds import interleave
from .spread import Spread, ratios, spread
from .step import DIRECTIONS, Step
from .subject import Subject

Tell = Callable[[str], object]


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
