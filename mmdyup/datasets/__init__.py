"""Data that needs no download."""

from .shapes import generate_shapes

__all__ = ['generate_shapes']
