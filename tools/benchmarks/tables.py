"""What is told of the measurements: a table of all rows on one case, or a sweep over one size."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from .case import Case, Subject
from .measure import Measured, Tell, measure
from .rows import COMPILED, build, reassembly

SWEPT = ('reassembly', 'dysample')


@dataclass
class Row:
    name: str
    parameters: int
    flops: int
    measured: Measured


@dataclass
class Table:
    """What was measured on one case; ``left_out`` says why the other rows could not run."""

    case: Case
    baseline: str
    result_bytes: int
    rows: list[Row]
    left_out: dict[str, str]


def build_rows(case: Case, names: list[str]) -> dict[str, Subject]:
    """The subjects called ``names``, see :func:`.rows.build`."""
    return {name: build(name, case) for name in names}


def run_table(
    case: Case, subjects: dict[str, Subject], baseline: str, rounds: int, tell: Tell
) -> Table:
    """Measures ``subjects`` on ``case``, see :func:`.measure.measure`."""
    if any(name.endswith(COMPILED) for name in subjects):
        torch.compiler.reset()
    measured, left_out = measure(
        {name: (case, subject) for name, subject in subjects.items()}, baseline, rounds, tell
    )
    rows = [
        Row(name, subjects[name].parameter_count, subjects[name].flops, found)
        for name, found in measured.items()
    ]
    return Table(case, baseline, case.high(case.channels).nbytes, rows, left_out)


@dataclass(frozen=True)
class Point:
    """A size to measure; the cost should be in proportion to ``count``."""

    label: str
    count: int
    case: Case
    subject: Subject


@dataclass
class Entry:
    """One size; ``linear`` is its factor over the first entry if the cost is in proportion."""

    label: str
    linear: float
    measured: Measured


@dataclass
class Sweep:
    """``row`` on ``base`` with the size ``axis`` changed; ratios are to the first entry."""

    row: str
    axis: str
    base: Case
    entries: list[Entry]
    left_out: dict[str, str]


def points_of(base: Case) -> dict[tuple[str, str], list[Point]]:
    """What to measure by row and axis: H·W, C and s for both rows, k for the reassembly.

    Raises:
        ValueError: The base is too small to be divided, or does not fit a row.
    """
    if min(base.height, base.width) < 4 or base.channels < 8:
        raise ValueError(
            '--sweep divides height and width by 4 and the channels by 8, so '
            f'{base.channels}x{base.height}x{base.width} is too small: give a '
            'larger --size.'
        )
    points = {}
    for row in SWEPT:
        for axis, sizes in _axes(base):
            points[row, axis] = [
                Point(label, count, case, build(row, case)) for label, count, case in sizes
            ]
        if row == 'reassembly':
            points[row, 'k'] = [Point(str(k), k * k, base, reassembly(base, k)) for k in (3, 5, 7)]
    return points


def run_sweep(
    row: str, axis: str, base: Case, points: list[Point], rounds: int, tell: Tell
) -> Sweep:
    """Measures ``points``, see :func:`.measure.measure`."""
    first = points[0]
    measured, left_out = measure(
        {point.label: (point.case, point.subject) for point in points}, first.label, rounds, tell
    )
    entries = [
        Entry(point.label, point.count / first.count, measured[point.label])
        for point in points
        if point.label in measured
    ]
    return Sweep(row, axis, base, entries, left_out)


def _axes(base: Case) -> Iterator[tuple[str, list[tuple[str, int, Case]]]]:
    maps = [replace(base, height=base.height // d, width=base.width // d) for d in (4, 2, 1)]
    yield 'H·W', [(f'{case.height}×{case.width}', case.height * case.width, case) for case in maps]
    widths = [replace(base, channels=base.channels // d) for d in (8, 4, 2, 1)]
    yield 'C', [(str(case.channels), case.channels, case) for case in widths]
    yield 's', [(str(s), s * s, replace(base, ratio=s)) for s in (1, 2, 4)]
