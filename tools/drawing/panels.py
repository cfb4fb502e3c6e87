"""What all figures share: panels of the picture's shape, side by side."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .subjects import Picture

_WIDTH = 3.4  # inches
_COLUMNS = 4
DPI = 110


def new_figure(picture: Picture, count: int) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, at most four in a row, each of the picture's shape."""
    height, width = picture.inside
    columns = min(count, _COLUMNS)
    rows = math.ceil(count / columns)
    tall = _WIDTH * min(2.0, max(0.5, height / width)) + 0.35
    figure = Figure((columns * _WIDTH, rows * tall), dpi=DPI, layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, list(axes[:count])


def show_picture(ax: Axes, picture: Picture, paled: float = 0.0) -> None:
    """The picture, mixed with as much white as ``paled`` says."""
    ax.imshow((picture.image * (1 - paled) + 255 * paled).astype(np.uint8))


def frame(ax: Axes, picture: Picture, title: str) -> None:
    """Cuts a panel to the picture without its padding."""
    height, width = picture.inside
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(height - 0.5, -0.5)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(title, fontsize=9)
