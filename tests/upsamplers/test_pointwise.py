import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from mmdyup.upsamplers.pointwise import Pointwise


def pair(bias, dtype=torch.float64):
    layer = Pointwise(6, 4, bias).to(dtype)
    plain = nn.Conv2d(6, 4, 1, bias=bias).to(dtype)
    plain.load_state_dict(layer.state_dict())
    return layer, plain


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('size', [(2, 5, 7), (1, 1, 1), (0, 3, 3)], ids=str)
def test_is_pytorchs_convolution(size, bias, memory_format):
    layer, plain = pair(bias)
    n, h, w = size
    x = torch.randn(n, 6, h, w, dtype=torch.float64).to(memory_format=memory_format)
    y = layer(x)
    torch.testing.assert_close(y, plain(x))
    assert y.is_contiguous(memory_format=memory_format) or not n


@pytest.mark.parametrize('bias', [True, False])
def test_gradients(bias):
    layer, _ = pair(bias)
    x = torch.randn(2, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(layer, x)
    assert gradgradcheck(layer, x)


def test_takes_a_part_of_a_map():
    layer, plain = pair(True)
    x = torch.randn(2, 9, 5, 6, dtype=torch.float64)[:, 1:7, ::2, 1:]
    torch.testing.assert_close(layer(x), plain(x))


def test_rounds_half_precision_once():
    layer, plain = pair(True, torch.bfloat16)
    x = torch.randn(2, 6, 5, 6, dtype=torch.bfloat16)
    assert torch.equal(layer(x), plain(x))
