"""Whole models, in a form that can be traced."""

import importlib
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn


def build_whole(path: Path, framework: str) -> nn.Module:
    """The model of the config file ``path``, in eval mode, that maps a picture to all outputs.

    Args:
        path: A config of a two-stage detector of mmdet's or a segmentor of mmseg's.
        framework: 'mmdet' or 'mmseg'.
    """
    cfg = Config.fromfile(path)
    registry = importlib.import_module(f'{framework}.registry').MODELS
    with DefaultScope.overwrite_default_scope(framework):
        model = registry.build(cfg.model)
    return (TwoStage(model) if framework == 'mmdet' else model).eval()


class TwoStage(nn.Module):
    """A two-stage detector with as many regions as its test settings allow.

    How many regions a detector proposes depends on its weights, and mmdet's own
    ``mode='tensor'`` leaves out the semantic head of Panoptic FPN: neither would do for FLOPs
    that are to be compared.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, picture: Tensor) -> list:
        """(1, 3, H, W) to the outputs of all heads."""
        detector, heads = self.detector, self.detector.roi_head
        levels = detector.extract_feat(picture)
        outs = [
            detector.rpn_head(levels),
            heads.bbox_head(
                _regions(levels, heads.bbox_roi_extractor, detector.test_cfg.rpn.max_per_img)
            ),
        ]
        if heads.with_mask:
            outs.append(
                heads.mask_head(
                    _regions(levels, heads.mask_roi_extractor, detector.test_cfg.rcnn.max_per_img)
                )
            )
        if getattr(detector, 'with_semantic_head', False):
            outs.append(detector.semantic_head(levels))
        return outs


def _regions(levels: tuple[Tensor, ...], extractor: nn.Module, count: int) -> Tensor:
    """Features as RoIAlign hands them on, whose own work no counter of FLOPs sees."""
    return levels[0].new_zeros(count, extractor.out_channels, *extractor.roi_layers[0].output_size)
