import math

import numpy as np
import pytest
import torch

pytest.importorskip('mmseg')
from mmengine.evaluator import Evaluator  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.evaluation import IoUMetric  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

from mmdyup.evaluation import BoundaryIoU  # noqa: E402
from mmdyup.evaluation.boundary_iou import NOTHING, boundary  # noqa: E402


def score(pairs, classes=3, of=BoundaryIoU, **kwargs):
    """What the metric reports on (prediction, truth) maps, through mmengine as in a validation."""
    metric = of(**kwargs)
    metric.dataset_meta = dict(classes=[f'class{i}' for i in range(classes)])
    for pred, true in pairs:
        metric.process(
            {},
            [
                dict(
                    pred_sem_seg=dict(data=torch.from_numpy(pred)[None].long()),
                    gt_sem_seg=dict(data=torch.from_numpy(true)[None].to(torch.uint8)),
                )
            ],
        )
    return metric.evaluate(len(pairs))


def square(size, top, left, side, value=1):
    labels = np.zeros((size, size), int)
    labels[top : top + side, left : left + side] = value
    return labels


def regions(metric, pred, true, classes):
    """What a picture adds to the sums of boundary regions."""
    return [areas[0] for areas in metric.intersect_and_union(pred, true, classes, 255)]


def region(labels, kind, ignored, distance):
    """Pixels of class `kind` with a pixel of another kind, or none at all, within `distance`."""
    height, width = labels.shape
    found = set()
    for y in range(height):
        for x in range(width):
            if labels[y, x] != kind or ignored[y, x]:
                continue
            for v in range(y - distance, y + distance + 1):
                for u in range(x - distance, x + distance + 1):
                    inside = 0 <= v < height and 0 <= u < width
                    if not inside or ignored[v, u] or labels[v, u] != kind:
                        found.add((y, x))
    return found


def slow_score(pairs, classes, ratio):
    ious = []
    for kind in range(classes):
        both = either = 0
        for pred, true in pairs:
            height, width = true.shape
            distance = max(1, int(round(ratio * math.sqrt(height**2 + width**2))))
            regions = [region(labels, kind, true == 255, distance) for labels in (pred, true)]
            both += len(regions[0] & regions[1])
            either += len(regions[0] | regions[1])
        if either:
            ious.append(both / either)
    return 100 * sum(ious) / len(ious)


@pytest.mark.parametrize('ratio', [0.02, 0.15])
def test_the_definition_on_random_maps(ratio):
    """Blobs in three pictures of different sizes, with ignored pixels and a class that is absent
    from some: summed before dividing, not averaged over pictures."""
    rng = np.random.default_rng(0)
    pairs = []
    for height, width, kinds in ((14, 20, 3), (18, 11, 2), (16, 16, 4)):
        true = np.kron(
            rng.integers(0, kinds, (-(-height // 5), -(-width // 5))), np.ones((5, 5), int)
        )[:height, :width]
        pred = np.roll(true, 1, axis=1)
        pred[rng.random(pred.shape) < 0.02] = 0
        true[rng.random(true.shape) < 0.03] = 255
        pairs.append((pred, true))
    found = score(pairs, 5, dilation_ratio=ratio)
    assert found == {'mBIoU': pytest.approx(slow_score(pairs, 5, ratio), abs=0.0051)}


def test_two_shifted_squares():
    """By hand, with d = 1: a ring of a 6x6 square has 20 pixels; shifted by one column, the rings
    share the upper and lower rows' 5 columns each."""
    pred, true = square(20, 5, 5, 6), square(20, 5, 6, 6)
    metric = BoundaryIoU()
    both, either, pixels_pred, pixels_true = regions(
        metric, torch.from_numpy(pred), torch.from_numpy(true), 2
    )
    assert (both[1], either[1], pixels_pred[1], pixels_true[1]) == (10, 30, 20, 20)


def test_equal_maps_score_100():
    maps = square(40, 3, 5, 20)
    assert score([(maps, maps)]) == {'mBIoU': 100}


def test_errors_in_the_interior_do_not_count():
    """By hand, with d = 1, on two halves, of which one has a hole of 2x2 in the prediction."""
    true = np.zeros((30, 30), int)
    true[:, 15:] = 1
    pred = true.copy()
    pred[14:16, 4:6] = 1
    both, either, pixels_pred, pixels_true = regions(
        BoundaryIoU(), torch.from_numpy(pred), torch.from_numpy(true), 2
    )
    # rim of a 15x30 half: the hole of 2x2 adds its 4 pixels to one class and, to the other, the
    # 12 around it
    rim = 2 * 15 + 2 * 28
    assert pixels_true.tolist() == both.tolist() == [rim, rim]
    assert pixels_pred.tolist() == either.tolist() == [rim + 12, rim + 4]


def test_deep_inside_an_ignored_contour_nothing_counts():
    """Wherever the truth is ignored the prediction may be anything."""
    true = square(30, 5, 5, 20)
    true[8:14, 8:14] = 255
    pred = np.where(true == 255, 2, true)
    assert score([(pred, true)]) == {'mBIoU': 100}
    assert score([(np.where(true == 255, 0, true), true)]) == {'mBIoU': 100}


@pytest.mark.parametrize(
    'size, ratio, distance', [(10, 0.02, 1), (100, 0.02, 3), (200, 0.02, 6), (100, 0.05, 7)]
)
def test_the_distance_grows_with_the_picture(size, ratio, distance):
    """The rim of a picture of one class is as wide as d."""
    maps = torch.zeros(size, size, dtype=torch.long)
    _, _, pixels, _ = regions(BoundaryIoU(dilation_ratio=ratio), maps, maps, 1)
    assert pixels.item() == size**2 - (size - 2 * distance) ** 2


def test_classes_that_do_not_occur_are_left_out():
    maps = square(20, 5, 5, 8)
    shifted = square(20, 5, 6, 8)
    assert score([(shifted, maps)], classes=2) == score([(shifted, maps)], classes=150)


def test_a_class_that_is_only_predicted_scores_nothing():
    pred, true = square(20, 5, 5, 8, value=2), square(20, 5, 5, 8)
    assert score([(pred, true)])['mBIoU'] == pytest.approx(100 / 3, abs=0.01)


def test_boundary_keeps_contours_and_nothing_else():
    labels = square(9, 2, 2, 5).astype(np.int16)
    kept = boundary(labels, 1)
    assert (kept[2:7, 2:7] == 1).sum() == 16 and (kept[3:6, 3:6] == NOTHING).all()
    assert (kept == 0).sum() == 81 - 25  # the rim of the picture and the ring around the square


MIOU = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])


@pytest.mark.parametrize(
    'metrics',
    [
        # as the configs ask for it, and in a list
        dict(type='mmseg.BoundaryIoU', iou_metrics=['mIoU']),
        [MIOU, dict(type='mmseg.BoundaryIoU')],
    ],
    ids=['one', 'two'],
)
def test_beside_miou(metrics, caplog):
    """Both scores from one validation, and a table of the classes."""
    true = square(20, 5, 5, 8)
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = dict(classes=('ground', 'square'))
    sample = SegDataSample(
        gt_sem_seg=PixelData(data=torch.from_numpy(true)[None]),
        pred_sem_seg=PixelData(data=torch.from_numpy(true)[None]),
    )
    evaluator.process([sample], {})
    MMLogger.get_current_instance().addHandler(caplog.handler)
    found = evaluator.evaluate(1)
    assert (found['mIoU'], found['mBIoU']) == (100, 100)
    assert '  BIoU |' in caplog.text and '| square | 100.0 |' in caplog.text


@pytest.mark.parametrize('wanted', [['mIoU'], ['mIoU', 'mDice'], ['mFscore']], ids=str)
def test_scores_of_masks_are_the_parents(wanted):
    rng = np.random.default_rng(0)
    pairs = [tuple(rng.integers(0, 3, (2, 9, 12))) for _ in range(3)]
    pairs[0][1][2:4] = 255
    parent = score(pairs, of=IoUMetric, iou_metrics=wanted)
    assert score(pairs, iou_metrics=wanted) == pytest.approx(parent | score(pairs), abs=0.01)


def test_a_ratio_that_makes_no_sense():
    with pytest.raises(ValueError, match='dilation_ratio must be positive'):
        BoundaryIoU(dilation_ratio=0)
