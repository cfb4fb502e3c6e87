import pytest
import torch
import torch.nn.functional as F

from mmdyup import Upsampler
from mmdyup.pyramid import (
    UpsamplerList,
    build_steps,
    build_top_down,
    check_num_levels,
    check_pyramid,
    merge_top_down,
    upsample_to_finest,
)


def nearest(x, fine):
    return F.interpolate(x, size=fine.shape[-2:], mode='nearest')


class Scaling(Upsampler):
    """Nearest; takes the finer level times ``factor`` for what is to be merged."""

    def __init__(self, in_channels, scale_factor=2):
        super().__init__(in_channels, scale_factor)
        self.factor = torch.randn(())

    def meet(self, x, fine):
        return nearest(x, fine), self.factor * fine


def levels(channels=4, n=4, size=(21, 30)):
    made = []
    for _ in range(n):
        made.append(torch.randn(2, channels, *size))
        size = tuple((a + 1) // 2 for a in size)
    return made


def test_top_down_by_hand():
    p2, p3, p4 = laterals = levels(n=3)
    a, b = steps = build_top_down(dict(type=Scaling), 4, 3)
    m3 = b.factor * p3 + nearest(p4, p3)
    m2 = a.factor * p2 + nearest(m3, p2)
    merged = merge_top_down(laterals, steps)
    for ours, expected in zip(merged, (m2, m3, p4), strict=True):
        torch.testing.assert_close(ours, expected)
    assert laterals[0] is p2


def test_to_the_finest_by_hand():
    p2, p3, p4, p5 = maps = levels()
    _, (a,), (b, c), (d, e, f) = steps = build_steps(dict(type=Scaling), 4, [4] * 4)
    # the coarsest goes first; what it leaves of each level is what the others meet and take up
    p5 = nearest(nearest(nearest(p5, p4), p3), p2)
    p4, p3, p2 = d.factor * p4, e.factor * p3, f.factor * p2
    p4 = nearest(nearest(p4, p3), p2)
    p3, p2 = b.factor * p3, c.factor * p2
    p3, p2 = nearest(p3, p2), a.factor * p2
    expected = (p2, p3, p4, p5)
    for ours, other in zip(upsample_to_finest(maps, steps), expected, strict=True):
        torch.testing.assert_close(ours, other)


def test_nearest_steps_are_one():
    maps = levels()
    upsampled = upsample_to_finest(maps, build_steps(dict(type='nearest'), 4, [4] * 4))
    for i, (x, y) in enumerate(zip(maps, upsampled, strict=True)):
        assert torch.equal(y, F.interpolate(x, scale_factor=2**i)[..., :21, :30])


def test_what_a_level_goes_through_before_each_step():
    p2, p3, p4 = maps = levels(n=3)
    convs = [[torch.nn.Conv2d(4, 4, 1) for _ in range(max(i, 1))] for i in range(3)]
    (a,), (b,), (c, d) = convs
    steps = build_steps(dict(type='nearest'), 4, [4] * 3)
    p4 = nearest(d(nearest(c(p4), p3)), p2)
    expected = a(p2), nearest(b(p3), p2), p4
    for ours, other in zip(upsample_to_finest(maps, steps, convs), expected, strict=True):
        torch.testing.assert_close(ours, other)
    # the first level guides, and has no part in it
    for ours, other in zip(
        upsample_to_finest(maps, steps[1:], convs[1:]), expected[1:], strict=True
    ):
        torch.testing.assert_close(ours, other)


def test_steps_have_the_guides_channels():
    steps = build_steps(dict(type='SAPA'), 32, [32, 64, 96])
    assert [[m.guide_channels for m in stage] for stage in steps] == [[], [32], [64, 32]]
    assert all(m.in_channels == 32 and m.scale_factor == 2 for stage in steps for m in stage)


def test_a_list_sets_the_start_of_all_that_is_in_it():
    steps = build_steps(dict(type='DySample'), 32, [32] * 3)
    for parameter in steps.parameters():
        torch.nn.init.ones_(parameter)
    assert isinstance(steps[1:], UpsamplerList)
    steps.init_weights()
    for stage in steps:
        for upsampler in stage:
            assert 0 < upsampler.offset.weight.abs().max() < 0.01


def test_levels_are_checked():
    check_pyramid(levels())
    check_num_levels(levels(), 4)
    with pytest.raises(ValueError, match='4 levels are expected, but 3 are given'):
        check_num_levels(levels(n=3), 4)
    with pytest.raises(ValueError, match=r'levels \(5, 5\) and \(5, 5\) are not 2 times apart'):
        check_pyramid([torch.zeros(1, 1, 5, 5)] * 2)
