import pytest
import torch
import torch.nn.functional as F

from mmdyup.ops.tensors import fill_cells, pixel_shuffle, pixel_unshuffle


@pytest.mark.parametrize('s', [1, 2, 3])
def test_equals_pytorch_where_that_is_right(s):
    x = torch.randn(2, 3 * s * s, 4, 5)
    assert torch.equal(pixel_shuffle(x, s), F.pixel_shuffle(x, s))
    assert torch.equal(pixel_unshuffle(pixel_shuffle(x, s), s), x)


def test_empty_batch():
    x = torch.randn(0, 12, 4, 5, requires_grad=True)
    y = pixel_shuffle(x, 2)
    y.sum().backward()
    assert y.shape == (0, 3, 8, 10) and x.grad.shape == x.shape
    assert pixel_unshuffle(y, 2).shape == x.shape


@pytest.mark.parametrize('s', [1, 2, 3])
def test_cells_are_filled(s):
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    y = fill_cells(x, s)
    assert torch.equal(y, x.repeat_interleave(s, 2).repeat_interleave(s, 3))
    y.sum().backward()
    assert (x.grad == s * s).all()
    assert fill_cells(x[:0], s).shape == (0, 3, 4 * s, 5 * s)
