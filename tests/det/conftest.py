import pytest


@pytest.fixture
def guide_teller():
    """An upsampler that gives back its guide, so that a result tells what the guide was."""
    from mmdyup import Upsampler

    class GuideTeller(Upsampler):
        guided = True

        def __init__(self, in_channels, scale_factor=2, guide_channels=None):
            super().__init__(in_channels, scale_factor)
            self.guide_channels = guide_channels

        def forward(self, x, guide=None):
            assert guide.shape[-2:] == tuple(self.scale_factor * n for n in x.shape[-2:])
            return guide

    return GuideTeller
