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
    assert torch.equal(upsample_to(upsampler, x, torch.empty(1, 1, 9, 20)), upsampler(x)[:, :, :9])


def test_levels_that_are_not_s_times_apart():
    upsampler = build_upsampler(dict(type='nearest'), 2)
    with pytest.raises(ValueError, match=r'levels \(5, 5\) and \(5, 5\) are not 2 times apart'):
        upsample_to(upsampler, torch.randn(1, 2, 5, 5), torch.randn(1, 2, 5, 5))


class Fit(torch.nn.Module):
    def __init__(self, type):
        super().__init__()
        self.upsampler = build_upsampler(dict(type=type), 32)

    def forward(self, x, fine):
        return upsample_to(self.upsampler, x, fine)


# levels and finer ones: rounded up, down, or each in one direction
SIZES = [((3, 3), (5, 6)), ((2, 3), (5, 6)), ((3, 4), (7, 7)), ((4, 3), (7, 7)), ((1, 1), (3, 1))]


@pytest.mark.parametrize('type', ['FADE', 'SAPA'])
@pytest.mark.parametrize('coarse, size', SIZES)
@pytest.mark.parametrize('n', [0, 2])
def test_a_guide_is_cropped_or_its_border_repeated(type, coarse, size, n):
    fit = Fit(type)
    x, fine = torch.randn(n, 32, *coarse), torch.randn(n, 32, *size)
    y = fit(x, fine)
    rows, columns = (
        torch.arange(2 * a).clamp(max=b - 1) for a, b in zip(coarse, size, strict=True)
    )
    expected = fit.upsampler(x, fine[:, :, rows][..., columns])
    if any(2 * a < b for a, b in zip(coarse, size, strict=True)):
        expected = F.interpolate(expected, size=size)
    torch.testing.assert_close(y, expected[..., : size[0], : size[1]])
    assert y.shape == (n, 32, *size)


@pytest.mark.parametrize('type', ['FADE', 'SAPA'])
@pytest.mark.parametrize('coarse, size', SIZES[:2])
def test_a_fitted_guide_compiles_and_exports(type, coarse, size):
    fit = Fit(type).eval()
    maps = torch.randn(2, 32, *coarse), torch.randn(2, 32, *size)
    compiled = torch.compile(fit, fullgraph=True, backend='aot_eager')
    exported = torch.export.export(fit, maps).module()
    for graph in (compiled, exported):
        torch.testing.assert_close(graph(*maps), fit(*maps), rtol=1e-4, atol=1e-5)
