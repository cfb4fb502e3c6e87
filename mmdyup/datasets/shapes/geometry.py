"""The four shapes, as depth below their edge."""

import math

import numpy as np

CLASSES = ('circle', 'square', 'triangle', 'star')

# (corners, inner radius / outer radius): a regular polygon is a star whose inner corners lie
# on the straight edge between two outer ones.
_CORNERS = {
    'square': (4, math.cos(math.pi / 4)),
    'triangle': (3, math.cos(math.pi / 3)),
    'star': (5, 0.45),
}


def depth(name: str, radius: float, turn: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far points lie inside a shape that is centred on the origin.

    Args:
        name: one of ``CLASSES``.
        radius: distance of the outermost points from the centre, in pixels.
        turn: angle of the first corner from the x axis, in radians.
        x, y: positions in pixels, of any shapes that broadcast.

    Returns:
        Pixels to the nearest edge or its prolongation: positive inside, negative outside.
    """
    distance = np.hypot(x, y)
    if name == 'circle':
        return radius - distance
    edge_x, edge_y, greatest = _edge(name, radius)
    half = math.pi / _CORNERS[name][0]
    # All half-edges are one half-edge, turned and mirrored.
    angle = np.abs((np.arctan2(y, x) - turn + half) % (2 * half) - half)
    return greatest - distance * (edge_x * np.cos(angle) + edge_y * np.sin(angle))


def inradius(name: str, radius: float) -> float:
    """Distance from the centre to the (prolonged) edges, in pixels: the greatest depth."""
    return radius if name == 'circle' else _edge(name, radius)[2]


def _edge(name: str, radius: float) -> tuple[float, float, float]:
    """Outward normal of the half-edge that starts at (radius, 0), and its line's distance."""
    corners, ratio = _CORNERS[name]
    half = math.pi / corners
    along_x, along_y = ratio * math.cos(half) - 1, ratio * math.sin(half)
    length = math.hypot(along_x, along_y)
    normal_x, normal_y = along_y / length, -along_x / length
    return normal_x, normal_y, normal_x * radius
