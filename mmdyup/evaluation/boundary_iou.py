import math
from collections.abc import Sequence

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
    With ``iou_metrics`` it reports the parent's scores of whole masks too, and so is the one metric
    that mmseg's ``tools/test.py --out`` asks for.

    Args:
        dilation_ratio: d as a part of the picture's diagonal.
        iou_metrics: What of the parent's is reported beside, such as ``['mIoU']``; nothing unless
            given.
        **kwargs: The others of ``mmseg.evaluation.IoUMetric``.

    Raises:
        ValueError: ``dilation_ratio`` is not positive.
    """

    def __init__(
        self, dilation_ratio: float = 0.02, iou_metrics: Sequence[str] = (), **kwargs
    ) -> None:
        if dilation_ratio <= 0:
            raise ValueError(f'dilation_ratio must be positive, but it is {dilation_ratio}.')
        super().__init__(iou_metrics=iou_metrics, **kwargs)
        self.dilation_ratio = dilation_ratio

    def intersect_and_union(
        self, pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What a picture adds to the sums: of boundary regions, and as the parent of whole masks.

        Args:
            pred_label: Predicted classes, (H, W).
            label: True classes, (H, W).
            num_classes: How many classes there are.
            ignore_index: The label of pixels to be left out.

        Returns:
            Pixels of each class, (2, num_classes) float64, in the intersection, in the union, in
            the prediction and in the truth; first of boundary regions, then of masks.
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
        regions = pixels_both, pixels_pred + pixels_true - pixels_both, pixels_pred, pixels_true
        masks = super().intersect_and_union(pred_label, label, num_classes, ignore_index)
        return tuple(
            torch.stack((region, mask.to(region)))
            for region, mask in zip(regions, masks, strict=True)
        )

    def total_area_to_metrics(
        self, total_area_intersect: Tensor, total_area_union: Tensor, *args
    ) -> dict[str, np.ndarray]:
        """Scores of each class, (num_classes,), nan for those that do not occur."""
        scores = dict(BIoU=(total_area_intersect[0] / total_area_union[0]).numpy())
        if not self.metrics:
            return scores
        areas = (total_area_intersect, total_area_union, *args[:2])
        return super().total_area_to_metrics(*(area[1] for area in areas), *args[2:]) | scores


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
