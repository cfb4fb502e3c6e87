"""Metrics for MMSegmentation that the papers report and it lacks."""

from ..stack import needs

with needs('mmseg', "mmdyup's metrics"):
    from .boundary_iou import BoundaryIoU

__all__ = ['BoundaryIoU']
