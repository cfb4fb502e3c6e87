"""Metrics for MMSegmentation that the papers report and it lacks."""

from .boundary_iou import BoundaryIoU

__all__ = ['BoundaryIoU']
