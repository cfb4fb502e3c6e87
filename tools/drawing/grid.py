"""Where the output positions of an upsampler lie on the picture."""

import math
from dataclasses import dataclass

import numpy as np

from .subjects import Call, Picture


@dataclass
class Grid:
    """The fine grid of an upsampler over a picture.

    Attributes:
        stride: How many pixels of the picture a coarse pixel is wide.
        ratio: The ratio s.
        size: Height and width of the fine grid.
        inside: How many of its rows and columns lie on the picture, not on its padding.
    """

    stride: int
    ratio: int
    size: tuple[int, int]
    inside: tuple[int, int]

    def on_picture(self, points: np.ndarray) -> np.ndarray:
        """Columns and rows in pixels of the feature, (..., 2), as those of the picture."""
        return (points + 0.5) * self.stride - 0.5

    def position(self, row: int, column: int) -> np.ndarray:
        """The column and the row of an output position in pixels of the feature, (2,)."""
        return (np.array([column, row]) + 0.5) / self.ratio - 0.5

    def at(self, x: float, y: float) -> tuple[int, int]:
        """The row and column of the output position that a pixel of the picture lies on."""
        step = self.stride / self.ratio
        rows, columns = self.inside
        return min(int(y / step), rows - 1), min(int(x / step), columns - 1)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Where a map of the fine grid lies on the picture, as matplotlib's imshow has it."""
        height, width = (n * self.stride / self.ratio for n in self.size)
        return (-0.5, width - 0.5, height - 0.5, -0.5)


def grid_of(call: Call, picture: Picture) -> Grid | None:
    """The fine grid of a call, None where its feature is no map of the picture, as of regions.

    A level's size is rounded on its way down, so strides are powers of two, and the last row and
    column may lie beyond the picture.
    """
    ratio, (n, _, h, w) = call.upsampler.scale_factor, call.x.shape
    height, width = picture.image.shape[:2]
    # the longer side, whose rounding matters least
    pixels, cells = (width, w) if w >= h else (height, h)
    stride = 2 ** max(0, round(math.log2(pixels / cells)))
    if n != 1 or any(abs(m / stride - k) >= 1 for m, k in ((height, h), (width, w))):
        return None
    size = (ratio * h, ratio * w)
    inside = tuple(
        max(1, min(n, math.ceil(m * ratio / stride)))
        for n, m in zip(size, picture.inside, strict=True)
    )
    return Grid(stride, ratio, size, inside)


def choose_positions(
    score: np.ndarray, grid: Grid, count: int, chosen: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The chosen positions, and after them those of the highest score that lie apart.

    The outermost coarse pixels, where convolutions see zeros outside, are not looked at where there
    are others enough.

    Args:
        score: What is looked for at every output position, (sH, sW).
        grid: The fine grid.
        count: How many are looked for.
        chosen: Rows and columns that come first.

    Returns:
        Rows and columns of output positions on the picture.
    """
    rows, columns = grid.inside
    left = score[:rows, :columns].astype(float)
    if min(rows, columns) > 4 * grid.ratio:
        inner = (slice(grid.ratio, -grid.ratio),) * 2
        kept = left[inner].copy()
        left[:] = -np.inf
        left[inner] = kept
    apart = max(1, round(max(rows, columns) / 8))
    found = list(chosen)

    def cover(row: int, column: int) -> None:
        top, first = max(0, row - apart), max(0, column - apart)
        left[top : row + apart + 1, first : column + apart + 1] = -np.inf

    for position in found:
        cover(*position)
    while len(found) < len(chosen) + count and np.isfinite(left.max()):
        row, column = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        found.append((row, column))
        cover(row, column)
    return found
