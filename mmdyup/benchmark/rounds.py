import math
from collections.abc import Callable, Hashable

from .clock import Clock

_SHORTEST_SAMPLE = 0.005  # seconds; calls that take less are timed several together
_MOST_CALLS = 200


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
