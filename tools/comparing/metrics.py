"""The scores that a comparison may be about."""

from dataclasses import dataclass

from recipes.config import evaluators


@dataclass(frozen=True)
class Metric:
    """A score that a validation gives.

    Args:
        key: Its name in mmengine's logs.
        name: Its name in sentences.
        scale: What it is multiplied by to be told in points.
        falls: The lower, the better.
        effect: The difference that one would like to see, in points.
    """

    key: str
    name: str
    scale: float = 1
    falls: bool = False
    effect: float = 0.3

    def points(self, scores: dict[str, float]) -> float:
        """This score of a run in points; ValueError where it has none.

        Where a detector finds nothing at all, mmdet gives no scores: they are 0.
        """
        if not scores and self.key.startswith('coco'):
            return 0.0
        if self.key not in scores:
            raise ValueError(
                f'There is no score {self.key}: name one of {", ".join(scores)} with --metric.'
            )
        return scores[self.key] * self.scale


_KNOWN = {
    metric.key: metric
    for metric in (
        Metric('coco/bbox_mAP', 'box AP', 100),
        Metric('coco/segm_mAP', 'mask AP', 100),
        Metric('coco_panoptic/PQ', 'PQ'),
        Metric('mIoU', 'mIoU'),
        Metric('mBIoU', 'boundary IoU'),
        Metric('abs_rel', 'AbsRel', falls=True, effect=0.002),
        Metric('rmse', 'RMSE', falls=True, effect=0.01),
    )
}


def find_metric(key: str) -> Metric:
    """The metric of this key; one that is not known is told as it is."""
    prefix, _, name = key.rpartition('/')
    fraction = prefix.startswith('coco') and 'mA' in name
    return _KNOWN.get(key) or Metric(key, key, 100 if fraction else 1)


def primary_metric(cfg) -> Metric:
    """The score that a config is usually judged by.

    Args:
        cfg: An mmengine Config.

    Raises:
        ValueError: Its validation is of a kind that is not known here.
    """
    for evaluator in evaluators(cfg.get('val_evaluator')):
        kind = str(evaluator.get('type')).rsplit('.', 1)[-1]
        if kind == 'CocoMetric':
            masks = 'segm' in (evaluator.get('metric') or 'bbox')
            return _KNOWN['coco/segm_mAP' if masks else 'coco/bbox_mAP']
        if kind == 'CocoPanopticMetric':
            return _KNOWN['coco_panoptic/PQ']
        if kind in ('IoUMetric', 'BoundaryIoU'):
            return _KNOWN['mIoU']
        if kind == 'DepthMetric':
            return _KNOWN['abs_rel']
    raise ValueError(
        'The config has no validation whose main score is known here: name one with --metric, '
        'as mmengine logs it.'
    )
