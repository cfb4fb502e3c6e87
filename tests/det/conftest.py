import pytest
import torch

from mmdyup.upsamplers import Upsampler


@pytest.fixture
def pyramid():
    """A function that makes levels, finest first, of sizes that were rounded up or down."""

    def make(channels, size, rounding='up'):
        levels, (h, w) = [], size
        for c in channels:
            levels.append(torch.randn(2, c, h, w))
            h, w = ((h + 1) // 2, (w + 1) // 2) if rounding == 'up' else (h // 2, w // 2)
        return tuple(levels)

    return make


@pytest.fixture
def assert_same_outputs():
    """A function that gives the parent's state to ours and compares what they make."""

    def check(ours, parent, features):
        parent.init_weights()
        ours.load_state_dict(parent.state_dict(), strict=True)
        for a, b in zip(ours(features), parent(features), strict=True):
            assert torch.equal(a, b)

    return check


@pytest.fixture
def guide_teller():
    """An upsampler that gives back its guide, so that a result tells what the guide was."""

    class GuideTeller(Upsampler):
        guided = True

        def __init__(self, in_channels, scale_factor=2, guide_channels=None):
            super().__init__(in_channels, scale_factor)
            self.guide_channels = guide_channels

        def forward(self, x, guide=None):
            assert guide.shape[-2:] == tuple(self.scale_factor * n for n in x.shape[-2:])
            return guide

    return GuideTeller
