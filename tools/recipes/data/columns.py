"""Values of a field in all entries of a list: taken where they are right, reported where not."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .report import Report

MISSING = object()


@dataclass(frozen=True)
class Kind:
    """What values of a field may be.

    Args:
        types: Their types.
        words: The same in words, for a message.
        test: What else must hold of one of these types.
    """

    types: frozenset
    words: str
    test: Callable[..., bool] | None = None

    def holds(self, value) -> bool:
        return type(value) in self.types and (self.test is None or self.test(value))

    def hold(self, values: list) -> bool:
        """Whether all are right; quick, for there may be a million."""
        return set(map(type, values)) <= self.types and (
            self.test is None or all(map(self.test, values))
        )


def _is_box(value: list) -> bool:
    return len(value) == 4 and all(
        type(number) in (int, float) and math.isfinite(number) for number in value
    )


ID = Kind(frozenset({int, str}), 'an id is a whole number or a text')
WHOLE = Kind(frozenset({int}), 'give a whole number')
SEGMENT = Kind(
    frozenset({int}),
    'ids of segments are whole numbers from 1 to 16777215, as colours of a PNG',
    lambda value: 0 < value < 256**3,
)
AREA = Kind(frozenset({int, float}), 'an area is a number of pixels', math.isfinite)
SIDE = Kind(
    frozenset({int, float}),
    'give the number of pixels, 1 or more',
    lambda value: 1 <= value < 10**9 and value == value // 1,
)
FLAG = Kind(frozenset({int, bool, float}), 'write 0 or 1', lambda value: value in (0, 1))
TEXT = Kind(frozenset({str}), 'give a name', bool)
NAME = Kind(frozenset({str, int, float}), 'give every class a name', lambda value: value != '')
BOX = Kind(
    frozenset({list}),
    'a box is [x, y, width, height] in pixels, so give the four numbers or remove the entry',
    _is_box,
)
LIST = Kind(frozenset({list}), 'give a list')


def take(report: Report, path: Path, what: str, entries: list[dict], key: str, kind: Kind) -> list:
    """The values of ``key`` in all ``entries``.

    Args:
        report: Gets an error where values are missing or not of the ``kind``.
        path: The file that the entries are from.
        what: What one of them is called.
        entries: The entries.
        key: The field.
        kind: What values may be.

    Returns:
        The values, with None for those that are wrong.
    """
    values = [entry.get(key, MISSING) for entry in entries]
    if kind.hold(values):
        return values
    wrong = [i for i, value in enumerate(values) if not kind.holds(value)]
    report.error(path, _complaint(what, key, values, wrong, kind), len(wrong))
    for i in wrong:
        values[i] = None
    return values


def _complaint(what: str, key: str, values: list, wrong: list[int], kind: Kind) -> str:
    first = values[wrong[0]]
    shown = f'has no "{key}"' if first is MISSING else f'has {shorten(first)} as "{key}"'
    others = f' ({len(wrong)} in all)' if len(wrong) > 1 else ''
    return f'{what} number {wrong[0]} {shown}{others}: {kind.words}.'


def shorten(value) -> str:
    """A value as it would be written, not over 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:37]}...'


def dicts(report: Report, path: Path, what: str, entries: list) -> list[dict]:
    """The entries, with {} for those that are no objects of JSON, which are reported."""
    if set(map(type, entries)) <= {dict}:
        return entries
    wrong = [i for i, entry in enumerate(entries) if type(entry) is not dict]
    report.error(
        path,
        f'{what} number {wrong[0]} is {shorten(entries[wrong[0]])}: it must be an object, '
        '{"key": value}.',
        len(wrong),
    )
    return [entry if type(entry) is dict else {} for entry in entries]
