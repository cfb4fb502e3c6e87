import pytest
import torch


class Pyramid(torch.nn.Module):
    """Two levels of a picture, whose sizes are rounded up on their way down, and their merge."""

    def __init__(self, cfg):
        from mmdyup import build_upsampler

        super().__init__()
        self.fine, self.coarse = (torch.nn.Conv2d(c, 32, 3, 2, padding=1) for c in (3, 32))
        self.upsampler = build_upsampler(cfg, 32)

    def forward(self, picture):
        fine = self.fine(picture)
        y, fine = self.upsampler.meet(self.coarse(fine), fine)
        return y + fine


@pytest.fixture
def pyramid():
    return lambda cfg: Pyramid(cfg).eval()
