"""One picture of Shapes: which objects, where, and their painting."""

import colorsys
from dataclasses import dataclass

import numpy as np

from .geometry import CLASSES, depth, inradius
from .ground import paint_ground

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
