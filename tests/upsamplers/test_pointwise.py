import copy

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from mmdyup.upsamplers.pointwise import Pointwise, normed_pointwise


def pair(bias, dtype=torch.float64):
    layer = Pointwise(6, 4, bias).to(dtype)
    plain = nn.Conv2d(6, 4, 1, bias=bias).to(dtype)
    plain.load_state_dict(layer.state_dict())
    return layer, plain


FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize('memory_format', FORMATS, ids=str)
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


def normed(channels, groups, dtype=torch.float64):
    norm, layer = nn.GroupNorm(groups, channels).to(dtype), Pointwise(channels, 4).to(dtype)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return norm, layer


def gradients(y, norm, layer, x):
    tensors = (x, *norm.parameters(), *layer.parameters())
    return torch.autograd.grad(y, tensors, torch.linspace(-1, 2, y.numel()).view_as(y).to(y))


@pytest.mark.parametrize('memory_format', FORMATS, ids=str)
@pytest.mark.parametrize(
    'size, groups',
    [((2, 24, 5, 7), 4), ((1, 72, 37, 19), 3), ((3, 6, 1, 1), 2), ((0, 6, 3, 3), 2)],
    ids=str,
)
def test_a_norm_and_a_convolution_in_one(size, groups, memory_format):
    norm, layer = normed(size[1], groups)
    x = 3 + torch.randn(size, dtype=torch.float64)
    x = x.to(memory_format=memory_format).requires_grad_()
    y, expected = normed_pointwise(x, norm, layer, 'auto'), layer(norm(x))
    torch.testing.assert_close(y, expected)
    assert y.is_contiguous(memory_format=memory_format) or not size[0]
    for ours, other in zip(*(gradients(z, norm, layer, x) for z in (y, expected)), strict=True):
        torch.testing.assert_close(ours, other)
    with torch.no_grad():
        assert torch.equal(normed_pointwise(x, norm, layer, 'auto'), y)


def test_float32_is_precise_far_from_0():
    norm, layer = normed(16, 2, torch.float32)
    x = (5 + torch.randn(2, 16, 50, 60)).requires_grad_()
    exact = copy.deepcopy(norm).double(), copy.deepcopy(layer).double()
    x_ = x.detach().double().requires_grad_()
    expected = exact[1](exact[0](x_))
    y = normed_pointwise(x, norm, layer, 'auto')
    for ours, other in zip(
        (y, *gradients(y, norm, layer, x)),
        (expected, *gradients(expected, *exact, x_)),
        strict=True,
    ):
        atol = 1e-4 * other.abs().max().item()
        torch.testing.assert_close(ours.double(), other, rtol=0, atol=atol)


def test_gradients_of_the_gradients_of_both():
    norm, layer = normed(6, 2)
    x = torch.randn(1, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: normed_pointwise(x, norm, layer, 'auto'), x)
    assert gradgradcheck(lambda x: normed_pointwise(x, norm, layer, 'auto'), x)


def test_frozen_layers_leave_the_gradient_of_the_map():
    norm, layer = normed(6, 2)
    x = torch.randn(2, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(layer(norm(x)).square().sum(), x)
    for part in (norm, layer):
        part.requires_grad_(False)
    y = normed_pointwise(x, norm, layer, 'auto')
    torch.testing.assert_close(torch.autograd.grad(y.square().sum(), x)[0], expected)


def test_a_part_of_a_map_and_half_precision_take_two_steps():
    for dtype in (torch.float32, torch.bfloat16):
        norm, layer = normed(6, 2, dtype)
        x = torch.randn(2, 9, 5, 6, dtype=dtype)[:, 1:7, ::2, 1:]
        assert torch.equal(normed_pointwise(x, norm, layer, 'auto'), layer(norm(x)))
