"""One picture of Shapes: its ground, the objects on it, and their painting."""

import colorsys
import math
from dataclasses import dataclass

import cv2
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


def paint_ground(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint ground and path.

    Returns:
        The picture, (size, size, 3) float32 BGR in 0..255, and where the path is,
        (size, size) bool.
    """
    brightness = rng.uniform(0.3, 0.9)
    step = rng.uniform(0.16, 0.24)
    grain = 16 * _noise(rng, size, 40) + 9 * _noise(rng, size, 7) + 4 * _noise(rng, size, 2)
    ground = _muted(rng, brightness) + grain[..., None]

    across = _distance_across(rng, size)
    furrows = 9 * np.sin(across * np.float32(rng.uniform(0.9, 1.4))) + 6 * _noise(rng, size, 4)
    path = _muted(rng, brightness + (step if brightness < 0.6 else -step)) + furrows[..., None]

    inside = size * rng.uniform(0.07, 0.14) - np.abs(across)
    cover = np.clip(inside + 0.5, 0, 1)[..., None]
    return ground + cover * (path - ground), inside >= 0


def _muted(rng: np.random.Generator, brightness: float) -> np.ndarray:
    """A greyish BGR colour, so that the objects' full colours stand out."""
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.22), brightness)
    return 255 * np.array(rgb[::-1], np.float32)


def _noise(rng: np.random.Generator, size: int, cell: int) -> np.ndarray:
    """Smooth noise, (size, size), of about unit deviation and bumps of ``cell`` pixels."""
    side = size // cell + 2
    grid = rng.standard_normal((side, side), dtype=np.float32)
    return cv2.resize(grid, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)[:size, :size]


def _distance_across(rng: np.random.Generator, size: int) -> np.ndarray:
    """Pixels from a wavy line through the picture, signed, (size, size)."""
    along = np.arange(size)
    rate = 2 * np.pi * rng.uniform(0.6, 1.6) / size
    wave = size * rng.uniform(0.05, 0.12)
    start, slope = size * rng.uniform(0.3, 0.7), rng.uniform(-0.3, 0.3)
    phase = rng.uniform(0, 2 * np.pi)
    middle = start + slope * (along - size / 2) + wave * np.sin(rate * along + phase)
    steep = slope + wave * rate * np.cos(rate * along + phase)
    across = ((along[:, None] - middle) / np.hypot(1, steep)).astype(np.float32)
    return across.T if rng.random() < 0.5 else across


GROUND, PATH, FIRST_OBJECT = 0, 1, 2

_MIN_DIAMETER = 8
_MIN_OUTLINED = 6  # inradius: room for the thinnest stroke and an interior
_MIN_VISIBLE = 0.6
_TRIES = 20


@dataclass(frozen=True)
class Scene:
    """A picture and whose each pixel is.

    picture: (S, S, 3) uint8, BGR. owner: (S, S) uint8, ``GROUND``, ``PATH`` or
    ``FIRST_OBJECT + k`` for object k. kinds: for each object its index in ``CLASSES``.
    """

    picture: np.ndarray
    owner: np.ndarray
    kinds: list[int]


@dataclass(frozen=True)
class _Object:
    kind: int
    x: float
    y: float
    radius: float
    turn: float
    stroke: float | None  # None: filled

    def inside(self, size: int) -> np.ndarray:
        """Pixels from each pixel's centre to the edge of the paint.

        (size, size) float32, positive in the paint, -1 far from it.
        """
        inside = np.full((size, size), -1, np.float32)
        columns, rows = self._span(self.x, size), self._span(self.y, size)
        x, y = np.arange(size)[columns] + 0.5 - self.x, np.arange(size)[rows] + 0.5 - self.y
        below = depth(CLASSES[self.kind], self.radius, self.turn, x, y[:, None])
        inside[rows, columns] = (
            below if self.stroke is None else np.minimum(below, self.stroke - below)
        )
        return inside

    def _span(self, centre: float, size: int) -> slice:
        """The pixels that the object reaches along one axis."""
        first, last = int(centre - self.radius) - 1, int(centre + self.radius) + 2
        return slice(max(first, 0), min(last, size))


def make_scene(rng: np.random.Generator, size: int) -> Scene:
    """Paint a scene of ``size`` x ``size`` pixels.

    A pixel is an object's when its centre is inside the object and in none painted later. An
    object is painted only where it and all before it stay mostly visible, so nothing in the
    picture is without a label.
    """
    picture, on_path = paint_ground(rng, size)
    owner = np.where(on_path, PATH, GROUND).astype(np.uint8)
    painted: list[np.ndarray] = []
    kinds: list[int] = []
    count = int(rng.integers(4, 13))
    # Spread evenly, so that objects that touch differ.
    tints = (rng.permutation(count) + rng.random()) / count
    diameters = _MIN_DIAMETER * (size / 2 / _MIN_DIAMETER) ** rng.random(count) ** 0.7
    # Mostly the small upon the large, or the large would hide them.
    order = np.argsort(-diameters * np.exp(rng.normal(0, 0.5, count)))
    for diameter, tint in zip(diameters[order], tints, strict=True):
        for _ in range(_TRIES):
            candidate = _random_object(rng, size, diameter)
            inside = candidate.inside(size)
            mask = inside >= 0
            if _all_visible([*painted, mask]):
                break
        else:
            continue
        cover = np.clip(inside + 0.5, 0, 1)[..., None]
        picture += cover * (_colour(rng, candidate.kind, tint) - picture)
        owner[mask] = FIRST_OBJECT + len(kinds)
        painted.append(mask)
        kinds.append(candidate.kind)
    picture += 2 * rng.standard_normal(picture.shape, dtype=np.float32)
    return Scene(np.clip(np.rint(picture), 0, 255).astype(np.uint8), owner, kinds)


def _random_object(rng: np.random.Generator, size: int, diameter: float) -> _Object:
    kind = int(rng.integers(len(CLASSES)))
    # Corners reach further than a circle of the same area.
    radius = diameter / 2 * (1 if CLASSES[kind] == 'circle' else 1.15)
    x, y = rng.uniform(0.7 * radius, size - 0.7 * radius, 2)
    turn = rng.uniform(-np.pi, np.pi)
    stroke = None
    room = inradius(CLASSES[kind], radius)
    if room >= _MIN_OUTLINED and rng.random() < 0.4:
        stroke = rng.uniform(2, min(6, room / 2))
    return _Object(kind, x, y, radius, turn, stroke)


def _all_visible(masks: list[np.ndarray]) -> bool:
    """Whether each keeps most of its pixels when the later cover the earlier."""
    free = np.ones_like(masks[0])
    for mask in reversed(masks):
        if (mask & free).sum() < _MIN_VISIBLE * mask.sum():
            return False
        free &= ~mask
    return True


def _colour(rng: np.random.Generator, kind: int, tint: float) -> np.ndarray:
    """A BGR colour of the class's own range of hues, at ``tint`` (0 to 1) in that range.

    Told apart by hue as well as by form, the classes are learnt in minutes on a CPU; what
    remains hard is where an object ends.
    """
    hue = (kind + 0.7 * (tint - 0.5)) / len(CLASSES) % 1
    rgb = colorsys.hsv_to_rgb(hue, rng.uniform(0.75, 1), rng.uniform(0.65, 1))
    return 255 * np.array(rgb[::-1], np.float32)
