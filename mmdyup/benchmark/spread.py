from dataclasses import dataclass

import numpy as np


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
