import pytest
import torch
import torch.nn.functional as F

from mmdyup import build_upsampler
from mmdyup.testing import (
    Meeting,
    needs_export_for_any_size,
    needs_operators_in_graphs,
)


@pytest.mark.parametrize('rounding', ['up', 'down'])
def test_nearest_is_fitted_as_interpolate_does_it(rounding):
    upsampler = build_upsampler(dict(type='nearest'), 2)
    for fine in [3, 13, 25, 49, 50, 51, 52, 199, 333]:
        coarse = -(-fine // 2) if rounding == 'up' else fine // 2
        x = torch.randn(1, 2, coarse, 2)
        expected = F.interpolate(x, size=(fine, 4))
        assert torch.equal(upsampler.meet(x, torch.empty(1, 1, fine, 4))[0], expected)


def test_what_is_too_large_is_cropped():
    upsampler = build_upsampler(dict(type='pixel_shuffle'), 2, 4)
    x = torch.randn(1, 2, 3, 5)
    y, _ = upsampler.meet(x, torch.empty(1, 1, 9, 20))
    assert torch.equal(y, upsampler(x)[:, :, :9])


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('size', [(9, 20), (15, 23), (12, 20)], ids=str)
def test_bilinear_goes_to_the_size_at_once(size, align_corners):
    upsampler = build_upsampler(dict(type='bilinear', align_corners=align_corners), 2, 4)
    x, fine = torch.randn(1, 2, 3, 5), torch.randn(1, 1, *size)
    y, merged = upsampler.meet(x, fine)
    expected = F.interpolate(x, size, mode='bilinear', align_corners=align_corners)
    assert torch.equal(y, expected) and merged is fine
    with pytest.raises(ValueError, match=r'\(3, 5\) and \(9, 25\) are not 4 times apart'):
        upsampler.meet(x, torch.empty(1, 1, 9, 25))


def test_each_direction_is_fitted_by_itself():
    upsampler = build_upsampler(dict(type='pixel_shuffle'), 2, 4)
    x = torch.randn(1, 2, 3, 5)
    y, _ = upsampler.meet(x, torch.empty(1, 1, 9, 23))
    assert torch.equal(y, F.interpolate(upsampler(x)[:, :, :9], size=(9, 23)))


# levels and finer ones: rounded up, down, or each in one direction
SIZES = [((3, 3), (5, 6)), ((2, 3), (5, 6)), ((3, 4), (7, 7)), ((4, 3), (7, 7)), ((1, 1), (3, 1))]


@pytest.mark.parametrize('type', ['FADE', 'SAPA'])
@pytest.mark.parametrize('coarse, size', SIZES)
@pytest.mark.parametrize('n', [0, 2])
def test_a_guide_is_cropped_or_its_border_repeated(type, coarse, size, n):
    upsampler = build_upsampler(dict(type=type), 32)
    x, fine = torch.randn(n, 32, *coarse), torch.randn(n, 32, *size)
    y, merged = upsampler.meet(x, fine)
    assert merged is fine
    rows, columns = (
        torch.arange(2 * a).clamp(max=b - 1) for a, b in zip(coarse, size, strict=True)
    )
    expected = upsampler(x, fine[:, :, rows][..., columns])
    if any(2 * a < b for a, b in zip(coarse, size, strict=True)):
        expected = F.interpolate(expected, size=size)
    torch.testing.assert_close(y, expected[..., : size[0], : size[1]])
    assert y.shape == (n, 32, *size)


@needs_operators_in_graphs
@pytest.mark.slow
@pytest.mark.parametrize('type', ['FADE', 'SAPA'])
@pytest.mark.parametrize('coarse, size', SIZES[:2])
def test_a_fitted_guide_compiles_and_exports(type, coarse, size):
    meeting = Meeting(build_upsampler(dict(type=type), 32)).eval()
    maps = torch.randn(2, 32, *coarse), torch.randn(2, 32, *size)
    compiled = torch.compile(meeting, fullgraph=True, backend='aot_eager')
    exported = torch.export.export(meeting, maps).module()
    for graph in (compiled, exported):
        torch.testing.assert_close(graph(*maps), meeting(*maps), rtol=1e-4, atol=1e-5)


PICTURES = [(20, 22), (17, 24), (32, 31), (19, 17)]


@needs_export_for_any_size
@pytest.mark.slow
@pytest.mark.parametrize('strict', [False, True])
@pytest.mark.parametrize('type', ['DySample', 'FADE'])
def test_a_pyramid_is_exported_for_any_picture(type, strict, pyramid):
    pyramid = pyramid(dict(type=type))
    size = dict.fromkeys((2, 3), torch.export.Dim.AUTO)
    program = torch.export.export(
        pyramid, (torch.randn(2, 3, 21, 22),), dynamic_shapes=(size,), strict=strict
    ).module()
    for size in PICTURES:
        picture = torch.randn(2, 3, *size)
        torch.testing.assert_close(program(picture), pyramid(picture), rtol=1e-4, atol=1e-5)


@needs_export_for_any_size
def test_a_graph_for_one_size_holds_nothing_for_others():
    meeting = Meeting(build_upsampler(dict(type='nearest'), 4))
    maps = torch.randn(1, 4, 3, 4), torch.randn(1, 4, 6, 8)
    graph = torch.export.export(meeting, maps, strict=False).graph
    assert not any('index_select' in str(node.target) for node in graph.nodes)
