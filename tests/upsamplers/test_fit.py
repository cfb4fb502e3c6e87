import pytest
import torch
import torch.nn.functional as F

from mmdyup import build_upsampler
from mmdyup.upsamplers import upsample_to


@pytest.mark.parametrize('rounding', ['up', 'down'])
def test_nearest_is_fitted_as_interpolate_does_it(rounding):
    upsampler = build_upsampler(dict(type='nearest'), 2)
    for fine in [3, 13, 25, 49, 50, 51, 52, 199, 333]:
        coarse = -(-fine // 2) if rounding == 'up' else fine // 2
        x = torch.randn(1, 2, coarse, 2)
        expected = F.interpolate(x, size=(fine, 4))
        assert torch.equal(upsample_to(upsampler, x, torch.empty(1, 1, fine, 4)), expected)


def test_what_is_too_large_is_cropped():
    upsampler = build_upsampler(dict(type='bilinear'), 2, 4)
    x = torch.randn(1, 2, 3, 5)
    assert torch.equal(upsample_to(upsampler, x, torch.empty(1, 1, 9, 20)),
                       upsampler(x)[:, :, :9])


def test_levels_that_are_not_s_times_apart():
    upsampler = build_upsampler(dict(type='nearest'), 2)
    with pytest.raises(ValueError, match=r'levels \(5, 5\) and \(5, 5\) are not 2 times apart'):
        upsample_to(upsampler, torch.randn(1, 2, 5, 5), torch.randn(1, 2, 5, 5))
