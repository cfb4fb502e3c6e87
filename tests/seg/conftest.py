import pytest


@pytest.fixture
def recorder():
    """A nearest upsampler that keeps its guide."""
    import torch.nn.functional as F

    from mmdyup import Upsampler

    class Recorder(Upsampler):
        guided = True

        def __init__(self, in_channels, scale_factor=2, guide_channels=None):
            super().__init__(in_channels, scale_factor)
            self.guide_channels = guide_channels or in_channels

        def forward(self, x, guide=None):
            assert guide.shape[1] == self.guide_channels
            self.guide = guide
            return F.interpolate(x, scale_factor=self.scale_factor)

    return Recorder
