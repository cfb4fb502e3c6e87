"""The forms that operators take in graphs for a runtime, against plain loops."""

import pytest
import torch

from mmdyup import DySample
from mmdyup.ops import carafe, exported_for, point_sample
from mmdyup.ops.backends import exports_rows, exports_tiles
from mmdyup.ops.reassembly.tiles import multiply_tiles
from mmdyup.ops.sampling.exported import sample_grid, sample_rows

# n, c, h, w, groups, s: a tile is four cells wide
SIZES = [(1, 4, 4, 8, 1, 2), (2, 4, 5, 3, 2, 2), (1, 3, 1, 1, 3, 3), (1, 8, 9, 6, 4, 1)]


@pytest.mark.parametrize('k', [1, 3, 5])
@pytest.mark.parametrize('n, c, h, w, groups, s', SIZES)
def test_tiles_equal_plain_loops(n, c, h, w, groups, s, k):
    x = torch.randn(n, c, h, w, dtype=torch.float64)
    kernels = torch.randn(n, groups * k * k, s * h, s * w, dtype=torch.float64)
    for softmax in (False, True):
        expected = carafe(x, kernels, groups, s, 'reference', softmax=softmax)
        torch.testing.assert_close(multiply_tiles(x, kernels, k, groups, s, softmax), expected)


@pytest.mark.parametrize('form', [sample_rows, sample_grid])
@pytest.mark.parametrize('n, c, h, w, groups, s', SIZES)
def test_samples_equal_plain_loops(form, n, c, h, w, groups, s):
    x = torch.randn(n, c, h, w, dtype=torch.float64)
    offsets = 3 * torch.randn(n, 2 * groups * s * s, h, w, dtype=torch.float64)
    start = torch.randn(1, offsets.shape[1], 1, 1)
    places = (2, groups, s, s)
    for scale, given in ((1.0, None), (-2.0, start)):
        expected = point_sample(x, offsets, s, groups, 'reference', scale, given)
        given = given if given is None else given.reshape(places)
        y = form(x, offsets.unflatten(1, places), given, scale)
        torch.testing.assert_close(y, expected)


def test_positions_that_are_no_numbers_stay_on_the_map():
    x, offsets = torch.randn(1, 4, 3, 5), torch.full((1, 2, 1, 2, 2, 3, 5), torch.nan)
    assert sample_rows(x, offsets, None, 1.0).shape == (1, 4, 6, 10)
    offsets.fill_(torch.inf)
    y = sample_rows(x, offsets, None, 1.0)
    torch.testing.assert_close(y, x[:, :, -1:, -1:].expand_as(y))


@pytest.mark.parametrize('form', [sample_rows, sample_grid])
def test_half_precision_keeps_positions(form):
    """Pixels whose value is their column: float16 would hold positions beyond 1024 to a half."""
    x = torch.arange(2048.0).expand(1, 1, 2, -1).half()
    offsets = torch.full((1, 2, 1, 1, 1, 2, 2048), 0.25).half()
    y = form(x, offsets, None, 1.0)
    expected = (x.float() + 0.25).clamp(max=2047)
    assert y.dtype == torch.float16
    assert torch.equal(y, expected.half())


def test_the_form_lasts_as_long_as_its_block():
    assert not exports_rows() and not exports_tiles()
    with exported_for('onnxruntime'):
        assert exports_rows() and exports_tiles()
        with exported_for('openvino'):
            assert not exports_rows() and exports_tiles()
        with exported_for('tensorrt'):
            assert not exports_rows() and not exports_tiles()
        assert exports_rows()
    assert not exports_rows() and not exports_tiles()


def test_a_runtime_that_is_not_known():
    with pytest.raises(ValueError, match=r'one of onnxruntime, openvino, tensorrt.*tflite.*\.$'):
        with exported_for('tflite'):
            pass


def test_results_outside_of_graphs_do_not_change():
    upsample, x = DySample(8), torch.randn(1, 8, 3, 4)
    expected = upsample(x)
    with exported_for('onnxruntime'):
        assert torch.equal(upsample(x), expected)
