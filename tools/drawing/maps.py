"""Figures of the whole picture: displacements, reach, gates, scopes and indices."""

import numpy as np
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure

from .facts import Facts
from .grid import Grid
from .panels import frame, new_figure, show_picture
from .subjects import Picture

_ARROWS = 22  # in a row of the longer side
_GROUPS = 7  # as many as are drawn
_HIGH = 99  # the percentile of lengths that is drawn in full colour


def draw_displacements(facts: Facts, grid: Grid, picture: Picture) -> Figure:
    """How far samples are moved: arrows and lengths of the mean over groups, colours of each.

    A colour is a direction, as the wheel in the last panel shows; white is no displacement.
    """
    groups = facts.moved[:_GROUPS]
    moved = facts.moved.mean(0)
    lengths = np.hypot(*moved)
    rows, columns = grid.inside
    most = max(np.percentile(np.hypot(*m)[:rows, :columns], _HIGH) for m in groups)
    figure, axes = new_figure(picture, 3 + len(groups))
    _draw_arrows(axes[0], moved, grid, picture)
    _draw_map(axes[1], lengths, grid, picture, 'its length, low-resolution pixels')
    for g, (ax, own) in enumerate(zip(axes[2:], groups, strict=False)):
        ax.imshow(direction_colours(own, most), extent=grid.extent, interpolation='nearest')
        frame(ax, picture, f'direction in group {g + 1} of {len(facts.moved)}')
    _draw_wheel(axes[-1], most)
    return figure


def direction_colours(moved: np.ndarray, most: float) -> np.ndarray:
    """(2, H, W) of columns and rows to (H, W, 3): hue for direction, saturation for length.

    Right is red, down yellow-green, left cyan, up violet; ``most`` and longer is saturated.
    """
    x, y = moved
    hue = (np.arctan2(y, x) / (2 * np.pi)) % 1
    saturation = np.clip(np.hypot(x, y) / max(most, 1e-12), 0, 1)
    return hsv_to_rgb(np.stack((hue, saturation, np.ones_like(hue)), -1))


def arrow_scale(moved: np.ndarray, step: float) -> float:
    """How many times longer arrows are drawn, a power of two, for long ones to fill a ``step``."""
    longest = np.percentile(np.hypot(*moved), 80)
    return 2.0 ** np.floor(np.log2(step / longest)) if longest > 1e-9 else 1.0


def _draw_arrows(ax, moved: np.ndarray, grid: Grid, picture: Picture) -> None:
    show_picture(ax, picture, paled=0.35)
    rows, columns = grid.inside
    # odd, so that every place of a cell has its turn
    every = max(rows, columns) // _ARROWS // 2 * 2 + 1
    kept = moved[:, every // 2 : rows : every, every // 2 : columns : every]
    times = arrow_scale(kept, every / grid.ratio)
    at = (np.arange(every // 2, n, every) * grid.stride / grid.ratio for n in (columns, rows))
    ax.quiver(
        *np.meshgrid(*at),
        *(kept * times * grid.stride),
        angles='xy',
        scale_units='xy',
        scale=1,
        color='#c1121f',
        width=0.004,
    )
    drawn = 'true to scale' if times == 1 else f'drawn {times:g} times as long'
    frame(ax, picture, f'displacement, {drawn}')


def _draw_map(
    ax, values: np.ndarray, grid: Grid, picture: Picture, title: str, limits: tuple = (None, None)
) -> None:
    show_picture(ax, picture)
    low, high = limits
    shown = ax.imshow(
        values, extent=grid.extent, interpolation='nearest', cmap='viridis', vmin=low, vmax=high
    )
    ax.figure.colorbar(shown, ax=ax, shrink=0.75).ax.tick_params(labelsize=7)
    frame(ax, picture, title)


def _draw_wheel(ax, most: float) -> None:
    side = np.linspace(-1, 1, 201)
    x, y = np.meshgrid(side, side)
    colours = direction_colours(np.stack((x, y)), 1)
    colours[np.hypot(x, y) > 1] = 1
    ax.imshow(colours, extent=(-1, 1, 1, -1))
    ax.set_xlim(-1.4, 1.4)
    ax.set_ylim(1.4, -1.4)
    ax.set_axis_off()
    ax.set_title(f'directions; the rim is {most:.2g} px and more', fontsize=9)


def draw_maps(facts: Facts, grid: Grid, picture: Picture) -> dict[str, Figure]:
    """Figures by their names: ``reach``, ``index``, ``gates`` and ``scopes``, those that exist.

    A scope that is the same everywhere has none.
    """
    found = {
        'reach': (facts.reach(grid.ratio), 'reach, low-resolution pixels', (0, None)),
        'index': (facts.index, 'index', (0, 1)),
        'gates': (facts.gates, 'gate', (0, 1)),
        'scopes': (facts.scopes, 'scope, mean over groups', (0, None)),
    }
    figures = {}
    for name, (values, title, limits) in found.items():
        if values is None or name == 'scopes' and np.ptp(values) == 0:
            continue
        figure, (seen, ax) = new_figure(picture, 2)
        show_picture(seen, picture)
        frame(seen, picture, 'picture')
        _draw_map(ax, values, grid, picture, title, limits)
        figures[name] = figure
    return figures
