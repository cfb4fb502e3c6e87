"""The three contractions of reassembly's trilinear form, each an operator of PyTorch's.

For a feature x, kernels m and a map y at the upsampled size the form is ::

    Σ  m[γ(c)·k² + a·k + b, u, v] · x[c, ⌊u/s⌋ + a − r, ⌊v/s⌋ + b − r] · y[c, u, v]

over images, channels c of the group γ(c), positions (u, v) and taps (a, b), where r = (k − 1)/2 and
x is 0 outside. Its derivatives are ::

    reassemble(x, m) → y        scores(x, y) → m        spread(m, y) → x

so that each one's gradient is made of the other two, to any order. CARAFE is ``reassemble``, SAPA's
similarities are ``scores``. A backend is a file here with the three as functions.

Arguments are taken as checked: x (N, C, H, W), m (N, groups·k², sH, sW) and y (N, C, sH, sW) of any
floating dtypes and memory formats, then k, groups and s; the dtype of the result, and whether it is
channels-last; the backend's name for :func:`mmdyup.ops.backends.run`. A backend's function takes x,
m, y, k, groups and s as they come, then the result to be filled.
"""

import torch
from torch import Tensor

from ..register import register
from ..tensors import compute_dtype, format_of, is_channels_last, softmax_kernels

_SIZES = 'int kernel_size, int groups, int scale_factor'
_RESULT = 'ScalarType dtype, bool channels_last, str backend'


def _empty_reassemble(
    x, kernels, kernel_size, groups, scale_factor, softmax, dtype, channels_last, backend
):
    n, c, h, w = x.shape
    return _empty(x, (n, c, scale_factor * h, scale_factor * w), dtype, channels_last)


def _empty_scores(x, y, kernel_size, groups, scale_factor, dtype, channels_last, backend):
    n, _, large_h, large_w = y.shape
    return _empty(y, (n, groups * kernel_size**2, large_h, large_w), dtype, channels_last)


def _empty_spread(kernels, y, kernel_size, groups, scale_factor, dtype, channels_last, backend):
    n, c, large_h, large_w = y.shape
    shape = (n, c, large_h // scale_factor, large_w // scale_factor)
    return _empty(y, shape, dtype, channels_last)


def _empty(like: Tensor, shape: tuple, dtype: torch.dtype, channels_last: bool) -> Tensor:
    return torch.empty(
        shape, dtype=dtype, device=like.device, memory_format=format_of(channels_last)
    )


def _reassemble_gradient(
    grad, needed, x, kernels, k, groups, s, softmax, dtype, channels_last, backend
):
    m = softmax_kernels(kernels.to(compute_dtype(x, kernels)), groups) if softmax else kernels
    grad_x = grad_kernels = None
    if needed[0]:
        grad_x = spread(m, grad, k, groups, s, x.dtype, is_channels_last(x), backend)
    if needed[1]:
        last = is_channels_last(kernels)
        grad_kernels = scores(x, grad, k, groups, s, m.dtype, last, backend)
        if softmax:
            grad_kernels = _softmax_gradient(grad_kernels, m, groups).to(kernels.dtype)
    return grad_x, grad_kernels


def _scores_gradient(grad, needed, x, y, k, groups, s, dtype, channels_last, backend):
    grad_x = grad_y = None
    if needed[0]:
        grad_x = spread(grad, y, k, groups, s, x.dtype, is_channels_last(x), backend)
    if needed[1]:
        last = is_channels_last(y)
        grad_y = reassemble(x, grad, k, groups, s, False, y.dtype, last, backend)
    return grad_x, grad_y


def _spread_gradient(grad, needed, kernels, y, k, groups, s, dtype, channels_last, backend):
    grad_kernels = grad_y = None
    if needed[0]:
        last = is_channels_last(kernels)
        grad_kernels = scores(grad, y, k, groups, s, kernels.dtype, last, backend)
    if needed[1]:
        last = is_channels_last(y)
        grad_y = reassemble(grad, kernels, k, groups, s, False, y.dtype, last, backend)
    return grad_kernels, grad_y


def _softmax_gradient(grad: Tensor, kernels: Tensor, groups: int) -> Tensor:
    m, grad = (z.unflatten(1, (groups, -1)) for z in (kernels, grad))
    return (m * (grad - (m * grad).sum(2, keepdim=True))).flatten(1, 2)


def _of_kernels(x, kernels, kernel_size, groups, scale_factor, *_) -> int:
    return x.numel() * (kernel_size * scale_factor) ** 2


def _of_large(other, y, kernel_size, *_) -> int:
    return y.numel() * kernel_size**2


#: y from x and m; with ``softmax``, from the softmax over taps of m.
reassemble = register(
    f'reassemble(Tensor x, Tensor kernels, {_SIZES}, bool softmax, {_RESULT}) -> Tensor',
    'reassembly',
    _empty_reassemble,
    _reassemble_gradient,
    _of_kernels,
)
#: m from x and y.
scores = register(
    f'scores(Tensor x, Tensor y, {_SIZES}, {_RESULT}) -> Tensor',
    'reassembly',
    _empty_scores,
    _scores_gradient,
    _of_large,
)
#: x from m and y.
spread = register(
    f'spread(Tensor kernels, Tensor y, {_SIZES}, {_RESULT}) -> Tensor',
    'reassembly',
    _empty_spread,
    _spread_gradient,
    _of_large,
)
