"""What differences between pairs prove: intervals, tests, and how many pairs are needed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
POWER = 0.8
#: More pairs than anybody trains.
MOST = 100_000


@dataclass(frozen=True)
class Paired:
    """What pairs say of a difference.

    Args:
        count: How many pairs there are.
        mean: The mean difference.
        deviation: The standard deviation of differences.
        low: The lower end of the mean's t-interval at ``LEVEL``.
        high: Its upper end.
        p: Of the two-sided t-test of no difference.
        better: In how many pairs the difference is above 0.
        removed: How much of the variance that the difference of unpaired runs has is gone, by
            pairing: 0.8 is four fifths. It is below 0 where pairs are less alike than others.
    """

    count: int
    mean: float
    deviation: float
    low: float
    high: float
    p: float
    better: int
    removed: float


def compare_pairs(scores: Sequence[float], baseline: Sequence[float]) -> Paired:
    """The paired difference of two columns of scores, the same seed in the same place.

    Args:
        scores: Of a variant, two or more.
        baseline: Of what it is compared with.
    """
    a, b = np.asarray(scores, float), np.asarray(baseline, float)
    difference = a - b
    count, mean, deviation = len(a), difference.mean(), difference.std(ddof=1)
    low, high = interval(mean, deviation, count)
    unpaired = a.var(ddof=1) + b.var(ddof=1)
    return Paired(
        count=count,
        mean=float(mean),
        deviation=float(deviation),
        low=low,
        high=high,
        p=p_value(mean, deviation, count),
        better=int((difference > 0).sum()),
        removed=float(1 - difference.var(ddof=1) / unpaired) if unpaired else 0.0,
    )


def interval(
    mean: float, deviation: float, count: int, level: float = LEVEL
) -> tuple[float, float]:
    """The t-interval of a mean of ``count`` values of this standard deviation."""
    reach = stats.t.ppf((1 + level) / 2, count - 1) * deviation / math.sqrt(count)
    return float(mean - reach), float(mean + reach)


def p_value(mean: float, deviation: float, count: int) -> float:
    """Of the two-sided t-test that a mean is 0."""
    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / (deviation / math.sqrt(count)), count - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) p-values: each below 0.05 is a finding, of all together at most 5 % false."""
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i])
    adjusted, so_far = [0.0] * count, 0.0
    for rank, i in enumerate(order):
        so_far = max(so_far, min(1.0, (count - rank) * p_values[i]))
        adjusted[i] = so_far
    return adjusted


def power(effect: float, deviation: float, count: int, alpha: float = 1 - LEVEL) -> float:
    """How often ``count`` pairs tell a true difference ``effect`` apart from none.

    Args:
        effect: The true mean difference.
        deviation: The standard deviation of differences.
        count: How many pairs there are, 2 or more.
        alpha: Of the two-sided t-test.
    """
    if deviation == 0:
        return 1.0 if effect else alpha
    shift = abs(effect) / deviation * math.sqrt(count)
    limit = stats.t.ppf(1 - alpha / 2, count - 1)
    # of the square, for SciPy's noncentral t fails far out
    return float(stats.ncf.sf(limit**2, 1, count - 1, shift**2))


def pairs_needed(effect: float, deviation: float, alpha: float = 1 - LEVEL) -> int:
    """The fewest pairs that tell ``effect`` apart at ``POWER``; ``MOST`` where they are more."""
    low, high = 1, 2
    while power(effect, deviation, high, alpha) < POWER:
        if high >= MOST:
            return MOST
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        if power(effect, deviation, middle, alpha) < POWER:
            low = middle
        else:
            high = middle
    return high


def visible_effect(deviation: float, count: int, alpha: float = 1 - LEVEL) -> float:
    """The smallest difference that ``count`` pairs tell apart at ``POWER``."""
    if deviation == 0:
        return 0.0
    low, high = 0.0, 1.0
    while power(high * deviation, deviation, count, alpha) < POWER:
        high *= 2
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        if power(middle * deviation, deviation, count, alpha) < POWER:
            low = middle
        else:
            high = middle
    return high * deviation


def deviation_interval(deviation: float, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Between what a standard deviation lies that ``count`` normal values estimate."""
    freedom = count - 1
    low, high = (
        deviation * math.sqrt(freedom / stats.chi2.ppf((1 + sign * level) / 2, freedom))
        for sign in (1, -1)
    )
    return float(low), float(high)
