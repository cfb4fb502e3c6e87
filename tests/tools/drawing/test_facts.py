"""What is drawn of an upsampler, against how it was built."""

import numpy as np
import pytest
import torch

from drawing.facts import facts_of
from drawing.subjects import Call
from mmdyup import build_upsampler

C, H, W = 32, 4, 6


def call_of(cfg, s=2):
    upsampler = build_upsampler(cfg, C, s).eval()
    x = torch.randn(1, C, H, W)
    guide = torch.randn(1, C, s * H, s * W) if upsampler.guided else None
    return Call('neck.it', upsampler, x, guide)


def one_tap(call, layer, tap, k=5):
    """Has a layer put all weight on one tap, everywhere."""
    conv = call.upsampler.get_submodule(layer)
    torch.nn.init.zeros_(conv.weight)
    bias = torch.zeros(k * k, len(conv.bias) // k**2)
    bias[tap] = 50
    conv.bias.data = bias.flatten()
    return facts_of(call)


@pytest.mark.parametrize('a, b', [(2, 2), (0, 2), (4, 1)])
def test_a_kernel_of_one_tap_reaches_as_far_as_that_lies(a, b):
    facts = one_tap(call_of(dict(type='CARAFE')), 'content_encoder', 5 * a + b)
    assert facts.kernels.shape == (1, 5, 5, 2 * H, 2 * W)
    assert facts.kernels[0, a, b].min() > 0.999
    for u in range(2 * H):
        for v in range(2 * W):
            # the tap is a pixel of x; the position lies a quarter pixel from its cell's centre
            row, column = u // 2 + a - 2, v // 2 + b - 2
            expected = np.hypot(row - (u / 2 - 0.25), column - (v / 2 - 0.25))
            assert facts.reach(2)[u, v] == pytest.approx(expected, rel=1e-3)


def test_taps_of_a_kernel_on_the_fine_grid_lie_closer():
    facts = one_tap(call_of(dict(type='FRFU'), 2), 'sample_kernel', 2, k=3)
    # its mask starts at a half, everywhere
    assert facts.kernels[0, 0, 2].min() > 0.999
    np.testing.assert_allclose(facts.reach(2), np.hypot(0.5, 0.5), rtol=1e-3)


def test_equal_weights_reach_as_far_as_points_lie_on_average():
    call = call_of(dict(type='SAPAD', groups=1, points=2))
    for conv in (call.upsampler.q, call.upsampler.offset):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    # point, coordinate, place: a pixel to the right, two below
    call.upsampler.offset.bias.data = torch.tensor([1.0, 0, 0, 2]).repeat_interleave(4)
    facts = facts_of(call)
    np.testing.assert_allclose(facts.weights, 0.5)
    np.testing.assert_allclose(facts.moved[0, 0], 0.5, rtol=1e-5)
    np.testing.assert_allclose(facts.moved[0, 1], 1, rtol=1e-5)
    # the first place lies a quarter pixel above and left of the centre
    squares = [(1 + 0.25) ** 2 + 0.25**2, 0.25**2 + (2 + 0.25) ** 2]
    assert facts.reach(2)[0, 0] == pytest.approx(np.sqrt(sum(squares) / 2))


def test_displacements_of_each_group():
    call = call_of(dict(type='DySample', groups=2))
    torch.nn.init.zeros_(call.upsampler.offset.weight)
    # coordinate, group, place
    bias = torch.tensor([[4.0, 0], [8, -4]])[..., None].expand(-1, -1, 4)
    call.upsampler.offset.bias.data = bias.flatten()
    facts = facts_of(call)
    np.testing.assert_allclose(facts.moved[0], np.array([1, 2])[:, None, None] + np.zeros((8, 12)))
    np.testing.assert_allclose(facts.moved[1], np.array([0, -1])[:, None, None] + np.zeros((8, 12)))
    np.testing.assert_allclose(facts.score(2), np.hypot(0.5, 0.5), rtol=1e-5)
    np.testing.assert_allclose(facts.scopes, 0.25)


def test_an_index_is_no_kernel():
    call = call_of(dict(type='IndexNet'))
    facts = facts_of(call)
    assert facts.taps(2) is None and facts.reach(2) is None
    nearest = call.x.repeat_interleave(2, 2).repeat_interleave(2, 3)[0].numpy()
    np.testing.assert_allclose(facts.result, facts.index * nearest, rtol=1e-4, atol=1e-6)


def test_what_changes_the_finer_level():
    call = call_of(dict(type='FreqFusion'))
    facts = facts_of(call)
    assert facts.changed.shape == (C, 2 * H, 2 * W) and facts.highpass.shape == (3, 3, 8, 12)
    _, changed = call.upsampler.fuse(call.x, call.guide)
    np.testing.assert_allclose(facts.changed, changed[0].detach().numpy(), rtol=1e-4, atol=1e-5)


def test_gates_at_their_own_size():
    call = call_of(dict(type='FADE'))
    expected = call.upsampler.gate_generator(call.x)[0, 0].detach().numpy()
    np.testing.assert_allclose(facts_of(call).gates, expected)
