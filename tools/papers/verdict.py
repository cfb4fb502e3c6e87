"""Whether a number is the one that was printed, and by which convention."""

import re
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from .published import Note

_ENTRY = re.compile(r'([+-]?)([\d,]+(?:\.\d+)?) ?(|%|K|M|G|MB)')
# a megabyte holds 250,000 parameters of float32
_UNITS = {'': 1, '%': 1, 'K': 10**3, 'M': 10**6, 'G': 10**9, 'MB': 250_000}


def is_relative(entry: str) -> bool:
    """Whether a printed entry refers to a baseline: '+32.7K', '-91%'."""
    return entry.startswith(('+', '-'))


def agreement(entry: str, value: float, baseline: float | None = None) -> str | None:
    """How a number comes out as the printed entry.

    Args:
        entry: An optional sign, digits, and K, M, G, % or MB (of float32 parameters) behind them.
        value: What was computed.
        baseline: What was computed for the row to which a signed entry refers.

    Returns:
        'rounded' or 'truncated', whichever makes the printed digits out of ``value``, or None.

    Raises:
        ValueError: The entry is written in another way, or its baseline is missing.
    """
    found = _ENTRY.fullmatch(entry)
    if not found:
        raise ValueError(
            f"A printed entry looks like '46.8M', '+32.7K' or '-91%', but this one is {entry!r}."
        )
    sign, digits, unit = found.groups()
    if is_relative(entry):
        if baseline is None:
            raise ValueError(f'The printed entry {entry} refers to a baseline: give its value.')
        value = value - baseline
        if unit == '%':
            value = 100 * value / baseline
    printed = Decimal(sign + digits.replace(',', ''))
    step = Decimal(1).scaleb(printed.as_tuple().exponent)
    exact = Decimal(value) / _UNITS[unit]
    for how, rounding in (('rounded', ROUND_HALF_UP), ('truncated', ROUND_DOWN)):
        if exact.quantize(step, rounding) == printed:
            return how
    return None


@dataclass(frozen=True)
class Verdict:
    """What became of one printed entry.

    Args:
        entry: As printed.
        status: 'agrees'; 'explained', where something else comes out for a reason that is known;
            'disagrees'.
        computed: The number, or its difference to the baseline's.
        convention: What ``computed`` counts.
        how: 'rounded' or 'truncated', None where it disagrees.
        why: The reason where it is 'explained'.
    """

    entry: str
    status: str
    computed: float
    convention: str
    how: str | None = None
    why: str | None = None


def judge(
    entry: str,
    values: dict[str, float],
    baseline: dict[str, float] | None = None,
    note: Note | None = None,
) -> Verdict:
    """Looks for the convention by which a number comes out as printed, rounded if possible.

    Args:
        entry: As printed.
        values: The number by each convention, the usual one first.
        baseline: The same for the row to which a signed entry refers.
        note: What comes out instead, if that is known.

    Raises:
        ValueError: See :func:`agreement`.
    """
    base = baseline if is_relative(entry) and baseline else dict.fromkeys(values)
    computed = {name: value - (base[name] or 0) for name, value in values.items()}
    expected = [(entry, 'agrees', None)]
    if note:
        expected.append((note.comes_out, 'explained', note.why))
    for text, status, why in expected:
        found = {name: agreement(text, value, base[name]) for name, value in values.items()}
        for how in ('rounded', 'truncated'):
            for convention in values:
                if found[convention] == how:
                    return Verdict(entry, status, computed[convention], convention, how, why)
    usual = next(iter(values))
    return Verdict(entry, 'disagrees', computed[usual], usual)
