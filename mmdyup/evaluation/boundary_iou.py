import math

import cv2
import numpy as np
import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from torch import Tensor

# a label that no class has: of ignored pixels, and of what lies outside the picture
NOTHING = -1


@METRICS.register_module()
class BoundaryIoU(IoUMetric):
    """Boundary IoU of Cheng et al. (CVPR 2021, arXiv 2103.16562) for semantic segmentation.

    Of each class only the pixels count that are within d pixels of its contour (Chebyshev
    distance), in the prediction and in the ground truth; IoU is taken between these two regions,
    their intersections and unions summed over all pictures. d is ``dilation_ratio`` of a
    picture's diagonal, rounded, at least 1. The picture's edge is a contour of what it cuts, and
    so is the edge of an ignored area: its pixels belong to no class in either map.

    Reports ``mBIoU``, the mean in percent over the classes that occur, and prints a table of all.

    Args:
        dilation_ratio: d as a part of the picture's diagonal.
        **kwargs: Those of ``mmseg.evaluation.IoUMetric``, of which ``iou_metrics`` and ``beta``
            have no effect.

    Raises:
        ValueError: ``dilation_ratio`` is not positive.
    """

    def __init__(self, dilation_ratio: float = 0.02, **kwargs) -> None:
        if dilation_ratio <= 0:
            raise ValueError(f'dilation_ratio must be positive, but it is {dilation_ratio}.')
        super().__init__(**kwargs)
        self.dilation_ratio = dilation_ratio

    def intersect_and_union(
        self, pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What a picture adds to the sums, as the parent does for whole masks.

        Args:
            pred_label: Predicted classes, (H, W).
            label: True classes, (H, W).
            num_classes: How many classes there are.
            ignore_index: The label of pixels to be left out.

        Returns:
            Pixels of each class, (num_classes,) float64, in the intersection and in the union of
            its boundary regions, and in its predicted and its true boundary region.
        """
        ignored = label == ignore_index
        distance = max(1, round(self.dilation_ratio * math.hypot(*label.shape)))
        pred, true = (
            boundary(labels.masked_fill(ignored, NOTHING).cpu().numpy().astype(np.int16), distance)
            for labels in (pred_label.long(), label.long())
        )
        pixels_pred, pixels_true, pixels_both = (
            torch.bincount(
                torch.from_numpy(labels).flatten().long() - NOTHING, minlength=num_classes + 1
            )[1 : num_classes + 1].double()
            for labels in (pred, true, np.where(pred == true, pred, NOTHING))
        )
        return pixels_both, pixels_pred + pixels_true - pixels_both, pixels_pred, pixels_true

    def total_area_to_metrics(
        self, total_area_intersect: Tensor, total_area_union: Tensor, *args
    ) -> dict[str, np.ndarray]:
        """Boundary IoU of each class, (num_classes,), nan for those that do not occur."""
        return dict(BIoU=(total_area_intersect / total_area_union).numpy())


def boundary(labels: np.ndarray, distance: int) -> np.ndarray:
    """The label map, with NOTHING where a class's interior lies.

    A pixel is of the interior when the whole window around it, 2 x distance + 1 pixels wide, has
    its label: eroding every class's mask for itself comes to the same.

    Args:
        labels: Classes, (H, W) int16, NOTHING outside of any.
        distance: How far the boundary region reaches, in pixels.
    """
    padded = cv2.copyMakeBorder(labels, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=NOTHING)
    window = np.ones((2 * distance + 1,) * 2, np.uint8)
    uniform = (cv2.erode(padded, window) == cv2.dilate(padded, window))[1:-1, 1:-1]
    return np.where(uniform, NOTHING, labels)
