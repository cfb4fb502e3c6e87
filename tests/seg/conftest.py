import pytest
import torch


@pytest.fixture
def pyramid():
    """A function that makes features of these channels, each half the size of the one before."""

    def make(channels, size, rounding='up', batch=2):
        features, (h, w) = [], size
        up = int(rounding == 'up')
        for c in channels:
            features.append(torch.randn(batch, c, h, w))
            h, w = (h + up) // 2, (w + up) // 2
        return tuple(features)

    return make
