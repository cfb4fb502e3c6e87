"""Colours for classes that come without."""

from matplotlib import colormaps


def palette(count: int) -> list[tuple[int, int, int]]:
    """`count` colours that are easy to tell apart, each (red, green, blue) from 0 to 255."""
    colours = colormaps['tab10'] if count <= 10 else colormaps['hsv'].resampled(count + 1)
    return [tuple(int(value) for value in colours(i, bytes=True)[:3]) for i in range(count)]
