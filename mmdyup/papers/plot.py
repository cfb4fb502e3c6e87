"""The picture of measured against published accuracy."""

from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402

from .published import Table  # noqa: E402
from .reproduce import Result  # noqa: E402


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
    figure, axes = plt.subplots(len(panels), figsize=(8, 4 * len(panels)), squeeze=False)
    for axis, (table, metric, bars) in zip(axes.flat, panels, strict=True):
        _draw(axis, table.title, metric, bars)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return True


def _draw(axis: plt.Axes, title: str, metric: str, bars: list[tuple[str, float, float]]) -> None:
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
