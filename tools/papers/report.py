"""Results as Markdown, JSON and a picture."""

import json
from dataclasses import asdict
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report import grid

from .published import Metric, Table
from .reproduce import Result
from .verdict import Verdict, is_relative

_WHAT = {'params': 'parameters', 'flops': 'FLOPs'}
_COMPUTED = (
    '',
    'parameters',
    'trainable',
    'adds',
    'without biases',
    'published',
    'comes out as',
    'FLOPs',
    'adds',
    'published',
    'comes out as',
)


def write_results(
    folder: Path, tables: list[tuple[Table, list[Result]]], command: str, versions: dict[str, str]
) -> str:
    """Writes reproduce.md, reproduce.json and, of runs there are, reproduce.png to ``folder``.

    Args:
        folder: An existing folder.
        tables: Each with its results.
        command: What was run.
        versions: Those of the stack.

    Returns:
        The Markdown.
    """
    parts = [preamble(command, versions)]
    if plot_scores(tables, folder / 'reproduce.png'):
        parts.append('![measured against published accuracy](reproduce.png)')
    parts += [table_markdown(table, results) for table, results in tables]
    text = '\n\n'.join([*parts, summary(tables)])
    data = dict(
        command=command,
        versions=versions,
        tables=[
            dict(
                name=table.name,
                title=table.title,
                source=table.source,
                conventions=table.conventions,
                rows=[asdict(result) for result in results],
            )
            for table, results in tables
        ],
    )
    (folder / 'reproduce.md').write_text(text + '\n', encoding='utf-8')
    (folder / 'reproduce.json').write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + '\n', encoding='utf-8'
    )
    return text


def preamble(command: str, versions: dict[str, str]) -> str:
    """What was run, with what, and how the tables are to be read."""
    stack = ', '.join(f'{name} {version}' for name, version in versions.items())
    return (
        f'# Published and computed\n\n    {command}\n\n{stack}\n\n'
        'Parameters and FLOPs are computed from the models that the configs build, the FLOPs '
        "by mmengine's counter: one for every multiply-add, unless the table says otherwise. "
        '"Adds" is the difference to the baseline; biases are those of the upsamplers. "Comes '
        'out as" says which count has the printed digits, rounded unless truncated: that of '
        'all parameters or the trainable ones, with biases or without; that of all FLOPs, or '
        'of products alone, without norms, pooling and interpolation. Accuracy is published → '
        'measured in the newest of your own runs of the very config; nothing is copied. A row is '
        'called ours where no publication that is known has a number of it.'
    )


def table_markdown(table: Table, results: list[Result]) -> str:
    """One table: what is computed, notes on it, the accuracy."""
    parts = [
        f'## {table.title}',
        f'{table.source}. {table.conventions}',
        _grid(_COMPUTED, [_computed(result) for result in results]),
    ]
    notes = [
        f'- {result.row.label}, {_WHAT[kind]}: {verdict.why}.'
        for result in results
        for kind, verdict in result.verdicts.items()
        if verdict.status == 'explained'
    ]
    notes += [f'- {result.row.label}: {result.left_out}.' for result in results if result.left_out]
    if notes:
        parts.append('\n'.join(notes))
    if table.metrics:
        parts.append(
            _grid(
                ('', 'run', *table.metrics),
                [_accuracy(table.metrics, result) for result in results],
            )
        )
        parts += table.remarks
    return '\n\n'.join(parts)


def summary(tables: list[tuple[Table, list[Result]]]) -> str:
    """How many numbers agree, and which do not."""
    found = [
        (f'{result.row.name}, {_WHAT[kind]}', verdict, kind)
        for _, results in tables
        for result in results
        for kind, verdict in result.verdicts.items()
    ]
    number = {
        status: sum(verdict.status == status for _, verdict, _ in found)
        for status in ('agrees', 'explained', 'disagrees')
    }
    lines = [
        f'Of {len(found)} published numbers {number["agrees"]} come out as printed, '
        f'{number["explained"]} do not for a reason that is known, {number["disagrees"]} '
        'disagree.'
    ]
    lines += [
        f'- {name}: published {verdict.entry}, computed {_value(kind, verdict)}'
        for name, verdict, kind in found
        if verdict.status == 'disagrees'
    ]
    return '\n'.join(lines)


def _computed(result: Result) -> list[str]:
    row, own, base = result.row, result.count, result.baseline
    cells = [row.label]
    for kind, entry in (('params', row.params), ('flops', row.flops)):
        verdict = result.verdicts.get(kind)
        columns = dict(params=('parameters', 'trainable'), flops=('flops',))[kind]
        cells += [_amount(kind, getattr(own, name)) if own else '' for name in columns]
        adds = [getattr(own, columns[0]) - getattr(base, columns[0]) if own and base else None]
        if kind == 'params':
            adds.append(adds[0] - own.biases + base.biases if own and base else None)
        cells += ['' if value is None else _amount(kind, value, '+') for value in adds]
        cells += [entry or '', _outcome(kind, verdict) if verdict else '']
    return cells


def _outcome(kind: str, verdict: Verdict) -> str:
    value = _value(kind, verdict)
    if verdict.status == 'agrees':
        truncated = '; truncated' if verdict.how == 'truncated' else ''
        return f'{value} ({verdict.convention}{truncated})'
    return f'no: {value}' + (', see below' if verdict.status == 'explained' else '')


def _value(kind: str, verdict: Verdict) -> str:
    return _amount(kind, verdict.computed, '+' if is_relative(verdict.entry) else '')


def _accuracy(metrics: dict[str, Metric], result: Result) -> list[str]:
    cells = []
    for name, metric in metrics.items():
        entry = result.row.scores.get(name, '')
        if name in result.measured:
            sign = '+' if is_relative(entry) else ''
            entry = f'{entry} → {result.measured[name]:{sign}.{metric.decimals}f}'.lstrip()
            if name in result.run.last:
                entry += f' (last {result.run.last[name]:.{metric.decimals}f})'
        cells.append(entry)
    run = result.run
    where = f'{run.folder}, {run.at or run.status}' if run.folder else run.status
    return [result.row.label, where, *cells]


def _amount(kind: str, value: float, sign: str = '') -> str:
    """In full; the FLOPs of a model in G."""
    if kind == 'flops' and abs(value) >= 1e8:
        return f'{value / 1e9:{sign},.2f}G'
    return f'{value:{sign},.0f}'


def _grid(head: tuple[str, ...], lines: list[list[str]]) -> str:
    """A table without the columns that hold nothing."""
    kept = [i for i in range(len(head)) if i == 0 or any(line[i] for line in lines)]
    head, *lines = ([line[i] for i in kept] for line in (head, *lines))
    return '\n'.join(grid(head, lines))


def plot_scores(tables: list[tuple[Table, list[Result]]], path: Path) -> bool:
    """Draws two bars for each row that was run, a panel for each table, of its first metric.

    Returns:
        Whether there was anything to draw.
    """
    panels = []
    for table, results in tables:
        metric = next(iter(table.metrics), None)
        bars = [
            (result.row.label, float(result.row.scores[metric]), result.measured[metric])
            for result in results
            if metric in result.row.scores and metric in result.measured
        ]
        if bars:
            panels.append((table, metric, bars))
    if not panels:
        return False
    figure = Figure(figsize=(8, 4 * len(panels)))
    axes = figure.subplots(len(panels), squeeze=False)
    for axis, (table, metric, bars) in zip(axes.flat, panels, strict=True):
        _draw(axis, table.title, metric, bars)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    return True


def _draw(axis: Axes, title: str, metric: str, bars: list[tuple[str, float, float]]) -> None:
    width = 0.4
    for place, name, column in ((-width / 2, 'published', 1), (width / 2, 'measured', 2)):
        drawn = axis.bar(
            [i + place for i in range(len(bars))], [bar[column] for bar in bars], width, label=name
        )
        axis.bar_label(drawn, fmt='%.1f', fontsize=8)
    axis.set_xticks(range(len(bars)), [bar[0] for bar in bars], rotation=30, ha='right')
    axis.set_ylabel(metric)
    axis.set_title(title, fontsize=10)
    axis.margins(y=0.1)
    axis.legend(loc='lower right')
