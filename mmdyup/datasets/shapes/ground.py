"""What the objects lie on: textured ground, crossed by a wavy path."""

import colorsys

import cv2
import numpy as np


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
