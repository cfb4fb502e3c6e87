"""The picture of the tables, like the first figure of the DySample paper."""

import math
from collections import Counter
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402

from .table import Table  # noqa: E402

_COLUMNS = 2
_LARGEST, _SMALLEST = 3000, 12  # areas of circles, in points²


def plot_tables(tables: list[Table], path: Path) -> None:
    """Draws a panel for each table: time against parameters, a circle's area the FLOPs.

    Both axes are logarithmic; rows without parameters stand on a line of their own at 0.
    """
    columns = min(_COLUMNS, len(tables))
    lines = math.ceil(len(tables) / columns)
    figure, panels = plt.subplots(lines, columns, figsize=(8 * columns, 6 * lines), squeeze=False)
    for panel in panels.flat[len(tables) :]:
        panel.remove()
    for panel, table in zip(panels.flat, tables, strict=False):
        _draw(panel, table)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw(panel: plt.Axes, table: Table) -> None:
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
