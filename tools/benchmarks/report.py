"""Results written as Markdown, JSON and a picture, with what they were measured on."""

import json
import math
import os
import platform
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import mmcv
import mmengine
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import mmdyup

from .measure import Measured, Spread
from .tables import Sweep, Table

_COLUMNS = 2
_LARGEST, _SMALLEST = 3000, 12  # areas of circles, in points²
_VARIABLES = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OMP_WAIT_POLICY')


def write_tables(folder: Path, tables: list[Table], about: dict) -> str:
    """Writes benchmark.md, benchmark.json and benchmark.png to ``folder``; returns the Markdown.

    Args:
        folder: An existing folder.
        tables: What was measured.
        about: The arguments of :func:`preamble`.
    """
    plot_tables(tables, folder / 'benchmark.png')
    text = '\n\n'.join(
        [
            preamble(**about),
            '![time against parameters](benchmark.png)',
            *map(table_markdown, tables),
        ]
    )
    _write(folder / 'benchmark', text, {**about, 'tables': [asdict(table) for table in tables]})
    return text


def write_sweeps(folder: Path, sweeps: list[Sweep], about: dict) -> str:
    """Writes sweep.md and sweep.json to ``folder``; returns the Markdown."""
    text = '\n\n'.join([preamble(**about), *map(sweep_markdown, sweeps)])
    _write(folder / 'sweep', text, {**about, 'sweeps': [asdict(sweep) for sweep in sweeps]})
    return text


def _write(stem: Path, text: str, data: dict) -> None:
    stem.with_suffix('.md').write_text(text + '\n', encoding='utf-8')
    stem.with_suffix('.json').write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + '\n', encoding='utf-8'
    )


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


def plot_tables(tables: list[Table], path: Path) -> None:
    """Draws a panel for each table: time against parameters, a circle's area the FLOPs.

    Both axes are logarithmic; rows without parameters stand on a line of their own at 0.
    """
    columns = min(_COLUMNS, len(tables))
    lines = math.ceil(len(tables) / columns)
    figure = Figure(figsize=(8 * columns, 6 * lines))
    panels = figure.subplots(lines, columns, squeeze=False)
    for panel in panels.flat[len(tables) :]:
        panel.remove()
    for panel, table in zip(panels.flat, tables, strict=False):
        _draw(panel, table)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _draw(panel: Axes, table: Table) -> None:
    most = max(row.flops for row in table.rows) or 1
    level = Counter()
    for row in table.rows:
        at = row.measured.forward.seconds.median * 1e3, row.parameters
        area = max(_SMALLEST, _LARGEST * row.flops / most)
        panel.scatter(*at, area, alpha=0.5, edgecolors='black', linewidths=0.5)
        # slanted, and to both sides in turn where parameters are equal: they stay apart
        turned = row.parameters and level[row.parameters] % 2
        side, slope = ('right', -30) if turned else ('left', 30)
        level[row.parameters] += 1
        panel.annotate(
            row.name,
            at,
            xytext=(0, 3),
            textcoords='offset points',
            fontsize=8,
            rotation=slope,
            rotation_mode='anchor',
            horizontalalignment=side,
        )
    fewest = min((row.parameters for row in table.rows if row.parameters), default=1)
    panel.set_xscale('log')
    panel.set_yscale('symlog', linthresh=10 ** math.floor(math.log10(fewest)))
    panel.margins(0.2)
    panel.set_xlabel('forward, ms')
    panel.set_ylabel('parameters')
    panel.set_title(
        f'{table.case.title}\ncircle area: FLOPs, the largest {most / 1e9:.3g} GFLOPs', fontsize=10
    )
    panel.grid(alpha=0.3)


def describe_machine(device: str) -> dict[str, str | int]:
    """What the numbers depend on: processor, cores, versions; the GPU where ``device`` is one."""
    facts = {
        'system': f'{platform.system()} {platform.machine()}',
        'processor': _processor(),
        'instructions': torch.backends.cpu.get_cpu_capability(),
        'cores': os.cpu_count(),
        'threads of PyTorch': torch.get_num_threads(),
        'Python': platform.python_version(),
        'torch': torch.__version__,
        'mmengine': mmengine.__version__,
        'mmcv': mmcv.__version__,
        'mmdyup': mmdyup.__version__,
        **{name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }
    if device == 'cuda':
        gpu = torch.cuda.get_device_properties(torch.cuda.current_device())
        facts |= {
            'GPU': gpu.name,
            'compute capability': f'{gpu.major}.{gpu.minor}',
            'GPU memory, MB': round(gpu.total_memory / 1e6),
            'L2 cache, MB': round(gpu.L2_cache_size / 1e6),
            'CUDA': torch.version.cuda,
        }
    return facts


def _processor() -> str:
    info = Path('/proc/cpuinfo')
    lines = info.read_text(encoding='utf-8').splitlines() if info.exists() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or 'unknown'
