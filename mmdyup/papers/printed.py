"""Whether a number is the one that was printed."""

import re
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

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
