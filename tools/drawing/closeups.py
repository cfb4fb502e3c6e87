"""Figures of one output position: its points around it, and its kernels as grids."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .facts import Facts
from .grid import Grid
from .panels import DPI, frame, show_picture
from .subjects import Picture

_SIDE = 3.6  # inches
_KERNELS = 4  # groups whose kernels are drawn
_NEAREST, _FARTHEST = 2.5, 12.0  # low-resolution pixels that a close-up shows around its position
_LABELLED = 5  # the largest kernel whose weights are written


def draw_closeup(facts: Facts, grid: Grid, picture: Picture, position: tuple[int, int]) -> Figure:
    """Where the position lies, what is sampled or weighed around it, and its kernels."""
    kernels = _kernels_at(facts, position)
    count = 2 + len(kernels)
    figure = Figure((count * _SIDE, _SIDE + 0.4), dpi=DPI, layout='constrained')
    whole, near, *rest = figure.subplots(1, count)
    radius = _radius(facts, grid, position)
    _draw_whole(whole, grid, picture, position, radius)
    _draw_near(near, facts, grid, picture, position, radius)
    for ax, (title, kernel) in zip(rest, kernels, strict=True):
        _draw_kernel(ax, kernel, title)
    return figure


def describe(facts: Facts, grid: Grid, position: tuple[int, int]) -> str:
    """One line on a position: where it lies, how far it is moved and how far it reaches."""
    row, column = position
    words = [f'row {row}, column {column} of {grid.size[0]}×{grid.size[1]}']
    if facts.points is not None:
        x, y = facts.moved[:, :, row, column].mean(0)
        words.append(f'moved by ({x:+.2g}, {y:+.2g}) low-resolution pixels')
    reach = facts.reach(grid.ratio)
    if reach is not None:
        words.append(f'reach {reach[row, column]:.2f}')
    for name, values in (('index', facts.index), ('gate', facts.gates), ('scope', facts.scopes)):
        if values is not None:
            # gates may be at low resolution
            i, j = row * len(values) // grid.size[0], column * values.shape[1] // grid.size[1]
            words.append(f'{name} {values[i, j]:.2f}')
    return '; '.join(words)


def _kernels_at(facts: Facts, position: tuple[int, int]) -> list[tuple[str, np.ndarray]]:
    row, column = position
    found = []
    if facts.kernels is not None and facts.index is None:
        count = len(facts.kernels)
        for g, kernel in enumerate(facts.kernels[:_KERNELS, :, :, row, column]):
            found.append(('kernel' if count == 1 else f'kernel, group {g + 1} of {count}', kernel))
    if facts.highpass is not None:
        found.append(('taken from twice the finer level', facts.highpass[:, :, row, column]))
    return found


def _radius(facts: Facts, grid: Grid, position: tuple[int, int]) -> float:
    """How many low-resolution pixels a close-up shows in each direction."""
    row, column = position
    own = grid.position(row, column)[:, None]
    distances = [0.0]
    if facts.points is not None:
        points = facts.points[:, :, :, row, column].reshape(-1, 2).T
        distances.append(np.abs(points - own).max())
    taps = facts.taps(grid.ratio)
    if taps is not None:
        distances.append(np.abs(taps[:, :, row, column].T - own).max())
    return float(np.clip(max(distances) + 1, _NEAREST, _FARTHEST))


def _draw_whole(
    ax: Axes, grid: Grid, picture: Picture, position: tuple[int, int], radius: float
) -> None:
    show_picture(ax, picture)
    x, y = grid.on_picture(grid.position(*position))
    half = radius * grid.stride
    for colour, width in (('white', 3), ('#c1121f', 1.5)):
        box = Rectangle(
            (x - half, y - half), 2 * half, 2 * half, fill=False, color=colour, linewidth=width
        )
        ax.add_patch(box)
    frame(ax, picture, 'where')


def _draw_near(
    ax: Axes,
    facts: Facts,
    grid: Grid,
    picture: Picture,
    position: tuple[int, int],
    radius: float,
) -> None:
    show_picture(ax, picture, paled=0.3)
    x, y = grid.on_picture(grid.position(*position))
    half = radius * grid.stride
    height, width = picture.image.shape[:2]
    for limit, line in ((width, ax.axvline), (height, ax.axhline)):
        for at in np.arange(0, limit + 1, grid.stride) - 0.5:
            line(at, color='white', linewidth=0.7, zorder=1)
    title = 'coarse pixels'
    if facts.taps(grid.ratio) is not None:
        _draw_taps(ax, facts, grid, position)
        title = 'taps of its kernel'
    if facts.points is not None:
        _draw_points(ax, facts, grid, position, radius)
        title = 'where it samples'
    ax.plot(x, y, '+', color='black', markersize=12, markeredgewidth=3, zorder=4)
    ax.plot(x, y, '+', color='white', markersize=11, markeredgewidth=1.2, zorder=5)
    ax.set_xlim(x - half, x + half)
    ax.set_ylim(y + half, y - half)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_facecolor('#bbbbbb')
    ax.set_title(f'{title}; a square is a coarse pixel', fontsize=9)


def _draw_points(
    ax: Axes, facts: Facts, grid: Grid, position: tuple[int, int], radius: float
) -> None:
    """Those of the position, an arrow from where each would be without offsets; others small."""
    row, column = position
    around = round(min(radius, 3) * grid.ratio)
    rows, columns = (slice(max(0, i - around), i + around + 1) for i in (row, column))
    groups, count = facts.points.shape[:2]
    for g in range(groups):
        colour = colormaps['tab10'](g % 10)
        others = grid.on_picture(facts.points[g, :, :, rows, columns].transpose(0, 2, 3, 1))
        if count == 1:
            ax.scatter(*others.reshape(-1, 2).T, s=4, color=colour, alpha=0.6, zorder=2)
        for p in range(count):
            start, point = (
                grid.on_picture(z[g, p, :, row, column]) for z in (facts.starts, facts.points)
            )
            ax.annotate(
                '',
                point,
                start,
                arrowprops=dict(arrowstyle='->', color=colour, linewidth=1.2, shrinkA=0, shrinkB=0),
                annotation_clip=True,
                zorder=3,
            )
            share = facts.weights[g, p, row, column] * count
            ax.scatter(
                *point, s=30 * share + 4, color=colour, edgecolors='black', linewidths=0.6, zorder=4
            )


def _draw_taps(ax: Axes, facts: Facts, grid: Grid, position: tuple[int, int]) -> None:
    row, column = position
    kernel = facts.kernels[:, :, :, row, column].mean(0)
    side = facts.tap_step * grid.stride
    centres = grid.on_picture(facts.taps(grid.ratio)[:, :, row, column])
    for (x, y), weight in zip(centres, (kernel / kernel.max()).flatten(), strict=True):
        if weight > 0:
            tap = Rectangle(
                (x - side / 2, y - side / 2), side, side, color='#c1121f', alpha=0.6 * weight
            )
            ax.add_patch(tap)


def _draw_kernel(ax: Axes, kernel: np.ndarray, title: str) -> None:
    ax.imshow(kernel, cmap='magma', vmin=0, vmax=max(kernel.max(), 1e-12))
    if len(kernel) <= _LABELLED:
        for (a, b), weight in np.ndenumerate(kernel):
            colour = 'black' if weight > 0.6 * kernel.max() else 'white'
            ax.text(b, a, f'{100 * weight:.0f}', ha='center', va='center', color=colour, fontsize=8)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(f'{title}, percent', fontsize=9)
