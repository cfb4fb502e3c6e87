"""Findings in plain sentences."""

import math
import statistics

from .findings import FEWEST, Difference, Findings
from .progress import duration
from .statistics import MOST, Paired

MINUS = '−'


def sentences(findings: Findings) -> list[str]:
    """What was found, a sentence a difference, then how it is to be read."""
    told = [verdict(difference, findings) for difference in findings.differences]
    if not told:
        told = ['There are not yet two seeds that a variant and a baseline both finished.']
    return told


def verdict(difference: Difference, findings: Findings) -> str:
    """One difference: how large, between what, and what that proves."""
    paired = difference.paired
    text = f'{_lead(difference, findings)}, between {_range(paired.low, paired.high)}'
    return f'{text}: {_proof(difference, findings)}.'


def reading(findings: Findings) -> list[str]:
    """How the sentences are to be read: what intervals allow for, the floor, what pairing did."""
    told = []
    if findings.differences:
        most = max(difference.comparisons for difference in findings.differences)
        told.append(
            'Intervals are t-intervals of the mean paired difference, 95 % each by itself. '
            f'Verdicts allow for up to {most} comparisons with one baseline by Holm’s method, '
            'numbers of seeds by Bonferroni’s.'
        )
    floor = findings.floor
    if floor:
        first = findings.rows[0].name
        typical = math.sqrt(floor.mean**2 + floor.deviation**2 * (floor.count - 1) / floor.count)
        told.append(
            f'{first} trained again, from a start that was disturbed by a millionth, lies '
            f'{signed(floor.mean)} from itself on average of {floor.count} seeds; two such runs '
            f'differ by {number(typical)} (root mean square), and nothing below that means '
            'anything in one pair.'
        )
    removed = [
        difference.paired.removed
        for difference in findings.differences
        if difference.paired.count >= FEWEST
    ]
    if removed:
        share = statistics.median(removed)
        told.append(
            f'Pairing removed {share:.2f} of the variance of differences (median over '
            'comparisons, estimated from these runs).'
            if share >= 0
            else 'Pairing removed none of the variance of differences, as far as these runs tell.'
        )
    return told


def _lead(difference: Difference, findings: Findings) -> str:
    mean = difference.paired.mean
    side = 'above' if mean >= 0 else 'below'
    return (
        f'{difference.variant} is {number(abs(mean))} {findings.metric.name} {side} '
        f'{difference.baseline}'
    )


def _proof(difference: Difference, findings: Findings) -> str:
    paired, metric = difference.paired, findings.metric
    seeds = f'{paired.count} seeds'
    if difference.verdict == 'too few':
        return f'{seeds} give no verdict, for which {FEWEST} are the least'
    if difference.verdict in ('better', 'worse'):
        times = paired.better if paired.mean > 0 else paired.count - paired.better
        return (
            f'{difference.verdict}, in {times} of {seeds} '
            f'(p is {_p(difference.p)} among {difference.comparisons} comparisons)'
        )
    if difference.verdict == 'alike':
        return f'alike, for it is less than {number(findings.effect)} either way by {seeds}'
    among = ''
    if paired.low > 0 or paired.high < 0:
        among = f' (p is {_p(difference.p)} among {difference.comparisons} comparisons)'
    text = (
        f'not told apart by {seeds}, which show differences from {number(difference.visible)} on'
        f'{among}; {number(findings.effect)} {metric.name} would take '
    )
    if difference.needed >= MOST:
        return f'{text}more than {MOST:,} seeds'
    low, high = difference.needed_range
    text += f'about {difference.needed:,} seeds ({low:,} to {high:,})'
    if difference.needed <= paired.count:
        return f'{text}, which are there'
    return f'{text}, some {duration(difference.hours * 3600)} more of this machine'


def _p(p: float) -> str:
    return f'{p:.2g}' if p >= 0.001 else 'below 0.001'


def _range(low: float, high: float) -> str:
    return f'{signed(low)} and {signed(high)}'


def signed(value: float) -> str:
    """A difference with its sign."""
    return ('+' if value >= 0 else MINUS) + number(abs(value))


def number(value: float) -> str:
    """A score or difference in points: two decimals, or three digits where it is small."""
    return f'{value:.2f}' if value >= 0.1 or value == 0 else f'{value:.3g}'


def interval_text(paired: Paired) -> str:
    """A difference with its interval, as tables have it."""
    return f'{signed(paired.mean)} ({signed(paired.low)} to {signed(paired.high)})'
