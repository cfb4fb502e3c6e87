"""Segment ids and the colours that a panoptic PNG holds them as."""

import numpy as np


def rgb2id(color: np.ndarray) -> np.ndarray:
    """The ids, (...) int32, that colours stand for, (..., 3) uint8 in the order red, green, blue:
    red + 256 green + 256² blue."""
    red, green, blue = np.moveaxis(color.astype(np.int32), -1, 0)
    return red + (green << 8) + (blue << 16)


def id2rgb(id_map: np.ndarray) -> np.ndarray:
    """The colours, (..., 3) uint8, of ids from 0 to 256³ - 1: the inverse of `rgb2id`."""
    return np.stack([id_map & 255, id_map >> 8 & 255, id_map >> 16 & 255], -1).astype(np.uint8)
