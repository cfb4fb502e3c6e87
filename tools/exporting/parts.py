"""What of a model is exported: the part whose result depends on a picture's pixels alone."""

import inspect

from torch import Tensor, nn


class Exported(nn.Module):
    """A model from a picture to maps, without what data decide the number of.

    ========================== =================================================================
    model                      results
    ========================== =================================================================
    mmseg's segmenter          ``seg_logits``, (1, classes, H, W)
    mmseg's depth estimator    ``depth_map``, (1, 1, H, W)
    mmdet's one-stage detector the lists of its dense head, such as ``cls_scores_0``
    mmdet's two-stage detector ``level_0`` and so on, which its RoI heads take, the lists of its
                               RPN, and ``seg_preds`` of a panoptic one
    ========================== =================================================================

    Args:
        model: A detector or segmenter, in eval mode.
        neck_only: Whether only backbone and neck are exported, with results ``level_0`` and so on.

    Raises:
        ValueError: The model has no dense head, and ``neck_only`` is not asked for.
    """

    def __init__(self, model: nn.Module, neck_only: bool) -> None:
        super().__init__()
        self.model = model
        self.neck_only = neck_only
        segments = hasattr(model, 'encode_decode')
        self.head = None if neck_only or segments else _dense_head(model)
        # else the exporter would put the model back into training
        self.eval()
        if not (neck_only or segments or self.head):
            raise ValueError(
                f'{type(model).__name__} has no dense head that could be exported: export its '
                'backbone and neck with --neck.'
            )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Results for a normalized picture, (1, 3, H, W)."""
        return tuple(self.results(image).values())

    def results(self, image: Tensor) -> dict[str, Tensor]:
        """The same by their names."""
        if self.neck_only:
            return _levels(self.model.extract_feat(image))
        if self.head is None:
            return self._segmentation(image)
        return self._detection(image)

    def about(self) -> str:
        """The parts that are exported."""
        if self.neck_only:
            return 'backbone and neck' if hasattr(self.model, 'neck') else 'backbone'
        return f'backbone, neck and {self.head}' if self.head else 'all of it'

    def _segmentation(self, image: Tensor) -> dict[str, Tensor]:
        size = image.shape[2:]
        meta = dict(img_shape=size, pad_shape=size, ori_shape=size)
        name = 'depth_map' if type(self.model).__name__ == 'DepthEstimator' else 'seg_logits'
        return {name: self.model.encode_decode(image, [meta])}

    def _detection(self, image: Tensor) -> dict[str, Tensor]:
        levels = self.model.extract_feat(image)
        head = getattr(self.model, self.head)
        results = _levels(levels) if self.head == 'rpn_head' else {}
        # the loss takes what the head returns, and names it
        names = [name for name in inspect.signature(head.loss_by_feat).parameters if name != 'self']
        for name, maps in zip(names, head(levels), strict=False):
            if isinstance(maps, Tensor):
                results[name] = maps
            else:
                results |= {f'{name}_{i}': value for i, value in enumerate(maps)}
        if getattr(self.model, 'semantic_head', None) is not None:
            results['seg_preds'] = self.model.semantic_head(levels)['seg_preds']
        return results


def _levels(levels: tuple[Tensor, ...]) -> dict[str, Tensor]:
    return {f'level_{i}': level for i, level in enumerate(levels)}


def _dense_head(model: nn.Module) -> str | None:
    """The name of the head that takes the levels alone."""
    from mmdet.models.detectors import SingleStageDetector
    from mmdet.models.detectors.single_stage_instance_seg import SingleStageInstanceSegmentor

    if getattr(model, 'rpn_head', None) is not None:
        return 'rpn_head'
    if isinstance(model, SingleStageInstanceSegmentor):
        return 'bbox_head' if model.bbox_head is not None else 'mask_head'
    return 'bbox_head' if isinstance(model, SingleStageDetector) else None
