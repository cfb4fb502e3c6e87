"""Results as Markdown."""

import math

from .measure import Measured
from .spread import Spread
from .sweep import Sweep
from .table import Table


def preamble(command: str, machine: dict[str, str | int], rounds: int) -> str:
    """What was run, on what, and how the numbers are to be read."""
    facts = '\n'.join(f'- {name}: {value}' for name, value in machine.items())
    return (
        f'# Benchmark\n\n    {command}\n\n{facts}\n\nMedians of {rounds} rounds in which all '
        'rows take turns, quartiles in brackets; ratios are of samples of the same round. Two '
        'FLOPs for every multiply-add, four multiply-adds for every bilinear sample. Peaks '
        "are of PyTorch's memory beyond the inputs."
    )


def table_markdown(table: Table) -> str:
    """One case, a line for each row."""
    versus = f'× {table.baseline}'
    head = [
        '',
        'parameters',
        'GFLOPs',
        'forward, ms',
        versus,
        'peak, MB',
        'forward and backward, ms',
        versus,
        'peak, MB',
    ]
    lines = [
        [
            row.name,
            f'{row.parameters:,}',
            number(row.flops / 1e9),
            *_cells(row.measured, peaks=True),
        ]
        for row in table.rows
    ]
    note = f'The result, {number(table.result_bytes / 1e6)} MB, is part of each peak.'
    return _section(table.case.title, note, head, lines, table.left_out)


def sweep_markdown(sweep: Sweep) -> str:
    """One axis, a line for each size."""
    versus = f'× {sweep.entries[0].label}'
    head = [sweep.axis, 'linear', 'forward, ms', versus, 'forward and backward, ms', versus]
    lines = [
        [entry.label, number(entry.linear), *_cells(entry.measured, peaks=False)]
        for entry in sweep.entries
    ]
    return _section(
        f'{sweep.row}, growing {sweep.axis}',
        f'The rest as in {sweep.base.title}.',
        head,
        lines,
        sweep.left_out,
    )


def spread_text(spread: Spread, factor: float = 1) -> str:
    """The median and the quartiles, as in '1.23 (1.20–1.31)'."""
    q1, median, q3 = (number(value * factor) for value in (spread.q1, spread.median, spread.q3))
    return f'{median} ({q1}–{q3})'


def number(value: float) -> str:
    """Three significant digits of a value from 0 on, and no power of ten."""
    if value == 0:
        return '0'
    decimals = max(0, 2 - math.floor(math.log10(value)))
    return f'{value:,.{decimals}f}'


def _cells(measured: Measured, peaks: bool) -> list[str]:
    cells = []
    for timing in (measured.forward, measured.forward_backward):
        cells += [spread_text(timing.seconds, 1e3), spread_text(timing.ratio)]
        if peaks:
            cells.append(number(timing.peak_bytes / 1e6))
    return cells


def _section(
    title: str, note: str, head: list[str], lines: list[list[str]], left_out: dict[str, str]
) -> str:
    text = [f'## {title}', '', note, '', *grid(head, lines)]
    if left_out:
        text += ['', 'Could not run:', '', *(f'- {name}: {why}' for name, why in left_out.items())]
    return '\n'.join(text)


def grid(head: list[str], lines: list[list[str]]) -> list[str]:
    """A Markdown table, padded so that it reads well on a terminal too."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *lines, strict=True)]
    rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]
    first, *rest = [
        [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        for line in (head, *lines)
    ]
    return ['| ' + ' | '.join(line) + ' |' for line in (first, rule, *rest)]
