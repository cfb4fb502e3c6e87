"""compare.html: all findings on one page, in one file that needs no network."""

import base64
import statistics
from html import escape

import cv2

from . import charts
from .findings import Findings
from .gallery import Shown, gallery
from .plan import Plan
from .sentences import reading, sentences
from .tables import runs_table, table

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
td, th { padding: .25rem .75rem; border-bottom: 1px solid #ddd; text-align: right;
         white-space: nowrap }
td:first-child, th:first-child { text-align: left }
.wide { overflow-x: auto; font-size: .85rem }
.pictures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0 }
figure { margin: 0 } figcaption { font-size: .85rem }
img { display: block; max-width: 100% }
svg text { font: 12px system-ui, sans-serif; fill: #333 }
.band { fill: #eef3f8 } .caution { color: #8a3b00 }
.key span { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em }
"""

WHERE = (
    '<h2>Where they differ most</h2><p>A number is the F-measure of boxes, or the mean IoU of '
    'labels, on this picture, the mean over seeds. Wrong labels are white.</p>'
)


def page(plan: Plan, findings: Findings, facts: dict[str, str]) -> str:
    """The page as HTML.

    Args:
        plan: The comparison.
        findings: What its runs show.
        facts: What was run on what, by name.
    """
    shown = gallery(findings, plan.folder)
    parts = [
        '<h1>Does an upsampler help?</h1>',
        _list(sentences(findings), 'verdicts'),
        _list(findings.cautions, 'caution'),
        _table(*table(findings)),
        f'<p>{escape(" ".join(reading(findings)))}</p>',
        '<h2>Every run</h2>',
        charts.dots({row.name: row.scores for row in findings.rows}, findings.metric.name),
        _table(*runs_table(findings)),
        '<h2>Differences</h2>',
        _differences(findings),
        '<h2>Learning curves</h2>',
        _curves(findings),
        WHERE if shown else '',
        *map(_shown, shown),
        '<h2>What was run</h2>',
        _list([f'{name}: {value}' for name, value in facts.items()], 'facts'),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Comparison</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f'{"".join(parts)}</body></html>\n'
    )


def _list(lines: list[str], kind: str) -> str:
    items = ''.join(f'<li>{escape(line)}</li>' for line in lines)
    return f'<ul class="{kind}">{items}</ul>' if lines else ''


def _table(head: list[str], lines: list[list[str]]) -> str:
    def row(cells: list[str], tag: str) -> str:
        return f'<tr>{"".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)}</tr>'

    body = ''.join(row(line, 'td') for line in lines)
    return f'<div class="wide"><table>{row(head, "th")}{body}</table></div>'


def _differences(findings: Findings) -> str:
    lines = [
        (f'{found.variant} − {found.baseline}', paired.mean, paired.low, paired.high)
        for found in findings.differences
        for paired in [found.paired]
    ]
    if findings.floor:
        floor = findings.floor
        first = findings.rows[0].name
        lines.append((f'{findings.again.name} − {first}', floor.mean, floor.low, floor.high))
    if not lines:
        return '<p>There are none yet.</p>'
    label = f'{findings.metric.name}, mean difference and 95 %; shaded: below {findings.effect:g}'
    return charts.intervals(lines, label, findings.effect)


def _curves(findings: Findings) -> str:
    rows = [row for row in findings.rows if row.runs]
    metric = findings.metric
    scores = {
        row.name: _mean(
            [
                [[step, metric.points(scores)] for step, scores in run['curve']]
                for run in row.runs.values()
            ]
        )
        for row in rows
    }
    losses = {row.name: _mean([run['losses'] for run in row.runs.values()]) for row in rows}
    key = ''.join(
        f'<span style="background:{charts.colour(i)}"></span>{escape(row.name)}'
        for i, row in enumerate(findings.rows)
    )
    return (
        f'<p class="key">Means over seeds:{key}</p>'
        f'{charts.curves(scores, metric.name)}{charts.curves(losses, "loss")}'
    )


def _mean(lines: list[list[list[float]]]) -> list[tuple[float, float]]:
    """The mean of several curves at the steps that they share."""
    curves = [dict(map(tuple, line)) for line in lines]
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    return [(step, statistics.fmean(curve[step] for curve in curves)) for step in steps]


def _shown(shown: Shown) -> str:
    figures = ''.join(
        f'<figure><img alt="{escape(name)}" src="{_inline(copy)}"><figcaption>{escape(name)}'
        f'{_score(shown, name)}</figcaption></figure>'
        for name, copy in shown.copies.items()
    )
    return f'<h3>{escape(shown.name)}, seed {shown.seed}</h3><div class="pictures">{figures}</div>'


def _score(shown: Shown, name: str) -> str:
    return f': {shown.scores[name]:.3f}' if name in shown.scores else ''


def _inline(picture) -> str:
    coded = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    return f'data:image/jpeg;base64,{base64.b64encode(coded.tobytes()).decode()}'
