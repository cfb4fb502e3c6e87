"""Findings in tables: heads and lines of cells."""

from .findings import Findings, Row
from .sentences import interval_text, number


def table(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """A line for each variant: its score, its differences, its size and time."""
    baselines = list(dict.fromkeys(difference.baseline for difference in findings.differences))
    head = ['', 'seeds', findings.metric.name]
    for baseline in baselines:
        head += [f'− {baseline}, 95 %', 'p, of all']
    head += ['parameters', 'GFLOPs', 'a step, ms', 'a run, s']
    return head, [_line(row, baselines, findings) for row in findings.rows]


def _line(row: Row, baselines: list[str], findings: Findings) -> list[str]:
    found = {
        difference.baseline: difference
        for difference in findings.differences
        if difference.variant == row.name
    }
    cells = [row.name, str(len(row.scores)), spread(row)]
    for baseline in baselines:
        difference = found.get(baseline)
        if difference is None:
            cells += ['', '']
            continue
        judged = difference.verdict != 'too few'
        cells += [interval_text(difference.paired), f'{difference.p:.2g}' if judged else '']
    sizes = (('parameters', 1), ('flops', 1e-9), ('step_seconds', 1e3), ('seconds', 1))
    for fact, factor in sizes:
        value = row.median_of(fact)
        whole = fact != 'flops'
        cells.append('' if value is None else f'{value * factor:,.{0 if whole else 2}f}')
    return cells


def spread(row: Row) -> str:
    """Mean and standard deviation of a variant's runs."""
    if row.mean is None:
        return ''
    return number(row.mean) + (f' ± {number(row.deviation)}' if row.deviation is not None else '')


def runs_table(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Every run: a line for each seed, a column for each variant."""
    rows = [row for row in (*findings.rows, findings.again) if row.scores or row.failed]
    seeds = sorted({seed for row in rows for seed in (*row.scores, *row.failed)})
    return ['seed', *(row.name for row in rows)], [
        [str(seed), *(_run(row, seed) for row in rows)] for seed in seeds
    ]


def _run(row: Row, seed: int) -> str:
    if seed in row.failed:
        return 'failed'
    if seed not in row.scores:
        return ''
    return number(row.scores[seed]) + (' collapsed' if seed in row.collapsed else '')
