"""DepthFormer's scale-invariant loss."""

import math

import pytest
import torch

pytest.importorskip('mmseg')
from mmseg.registry import MODELS  # noqa: E402

from mmdyup.seg.depth import ScaleInvariantLoss  # noqa: E402


def test_by_a_plain_loop():
    pred = torch.rand(2, 1, 5, 7) + 0.1
    target = torch.rand(2, 1, 5, 7).clamp(min=0.3) - 0.3
    assert 0 < (target == 0).sum() < target.numel() - 2
    logs = [
        math.log(p) - math.log(t)
        for p, t in zip(pred.flatten().tolist(), target.flatten().tolist(), strict=True)
        if t > 0
    ]
    mean = sum(logs) / len(logs)
    variance = sum((g - mean) ** 2 for g in logs) / (len(logs) - 1)
    expected = 3 * math.sqrt(variance + 0.15 * mean**2)
    loss = MODELS.build(dict(type='ScaleInvariantLoss', loss_weight=3.0))
    torch.testing.assert_close(loss(pred, target).item(), expected)


def test_a_factor_costs_its_mean_alone():
    target = torch.rand(1, 1, 8, 8) + 0.5
    loss = ScaleInvariantLoss()(target * 2, target)
    torch.testing.assert_close(loss.item(), math.sqrt(0.15) * math.log(2), rtol=1e-4, atol=0)


@pytest.mark.parametrize('known', [0, 1, 2])
def test_a_gradient_where_little_is_known_or_all_is_right(known):
    target = torch.zeros(1, 1, 2, 2)
    target.view(-1)[:known] = 0.7
    pred = torch.full_like(target, 0.7).requires_grad_()
    loss = ScaleInvariantLoss()(pred, target)
    loss.backward()
    assert loss < 1e-6 and pred.grad.isfinite().all()


def test_half_precision_is_computed_in_float32():
    pred, target = torch.rand(2, 1, 8, 8).half() + 0.1, torch.rand(2, 1, 8, 8) + 0.1
    loss = ScaleInvariantLoss()(pred, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, ScaleInvariantLoss()(pred.float(), target))
