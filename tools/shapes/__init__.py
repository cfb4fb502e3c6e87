"""Shapes: generated pictures with exact boxes, masks, semantic maps and panoptic labels."""

from .generate import generate_shapes

__all__ = ['generate_shapes']
