import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.backends import choose_backend, is_exported, is_traced
from ..ops.checks import is_autocast_on
from ..ops.tensors import compute_dtype, is_channels_last, memory_format_of

# Pixels whose gradient stays in a core's cache while it is worked on.
_PIXELS = 480


class Pointwise(nn.Conv2d):
    """A 1×1 convolution.

    It is PyTorch's, but on a CPU: there it is a product of matrices, whose gradient takes half to
    two thirds of the time.

    Args:
        in_channels: Channels of the map.
        out_channels: Channels of the result.
        bias: Whether a bias is added.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H, W), in the memory format of ``x``."""
        if x.device.type != 'cpu' or x.dtype is not compute_dtype(x) or is_exported():
            return super().forward(x)
        matrix = self.weight.flatten(1)
        if is_channels_last(x):
            return F.linear(x.permute(0, 2, 3, 1), matrix, self.bias).permute(0, 3, 1, 2)
        matrix, pixels = matrix.expand(len(x), -1, -1), x.flatten(2)
        if self.bias is None:
            y = torch.bmm(matrix, pixels)
        else:
            y = torch.baddbmm(self.bias[:, None], matrix, pixels)
        return y.unflatten(2, x.shape[2:])


def normed_pointwise(x: Tensor, norm: nn.Module, conv: Pointwise, backend: str) -> Tensor:
    """``conv(norm(x))``.

    Compiled code on a CPU finds the means and variances of groups. They become part of the
    convolution, so that what is normalized is never stored.

    Args:
        x: (N, C, H, W).
        norm: Group normalization with weight and bias, or any other module.
        conv: Takes C channels, and has a bias.
        backend: That of :func:`mmdyup.ops.neighborhood_scores`, which compares the result.

    Returns:
        (N, C', H, W), in the memory format of ``x``.
    """
    if isinstance(norm, nn.GroupNorm) and isinstance(conv, Pointwise):
        tensors = (x, norm.weight, norm.bias, conv.weight, conv.bias)
        if _is_compiled(backend, *tensors):
            return _NormedPointwise.apply(*tensors, norm.num_groups, norm.eps)
    return conv(norm(x))


def _is_compiled(backend: str, x: Tensor, *parameters: Tensor) -> bool:
    if is_traced() or is_autocast_on(x) or not x.numel():
        return False
    if choose_backend('neighborhood_scores', backend, x) != 'cpp':
        return False
    dtypes = {z.dtype for z in (x, *parameters)}
    return dtypes == {compute_dtype(x)} and x.is_contiguous(memory_format=memory_format_of(x))


class _NormedPointwise(torch.autograd.Function):
    """With statistics μ and ρ = 1/σ of its group, channel c of an image is normalized to
    a·x + t, where a = scale·ρ and t = shift − μ·a: the matrix becomes W·a, the bias b + W·t."""

    @staticmethod
    def forward(ctx, x, scale, shift, weight, bias, groups, eps):
        from ..ops.moments import group_moments

        mean, variance = group_moments(x, groups)
        of_group = x.shape[1] // groups
        mean, rho = (z.repeat_interleave(of_group, 1) for z in (mean, (variance + eps).rsqrt()))
        matrix = weight.flatten(1).double()
        y = torch.empty(
            (len(x), len(weight), *x.shape[2:]), dtype=x.dtype, memory_format=memory_format_of(x)
        )
        for image, image_y, mu, r in zip(x, y, mean, rho, strict=True):
            a = scale * r
            t = shift - mu * a
            torch.addmm(
                (bias + matrix @ t).to(x.dtype),
                _pixels(image),
                (matrix * a).to(x.dtype).t(),
                out=_pixels(image_y),
            )
        ctx.save_for_backward(x, scale, shift, weight, bias, mean, rho)
        ctx.sizes = groups, eps
        return y

    @staticmethod
    def backward(ctx, grad_y):
        *inputs, mean, rho = ctx.saved_tensors
        groups, eps = ctx.sizes
        if torch.is_grad_enabled():  # a gradient of the gradient is asked for
            return _gradients_by_autograd(grad_y, ctx.needs_input_grad, inputs, groups, eps)
        x, scale, shift, weight, bias = inputs
        matrix = weight.flatten(1).double()
        grad_y = grad_y.contiguous(memory_format=memory_format_of(x))
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grads = [torch.zeros_like(z, dtype=torch.float64) for z in (scale, shift, matrix, bias)]
        for i, (image, image_y) in enumerate(zip(x, grad_y, strict=True)):
            mu, r = mean[i], rho[i]
            a = scale * r
            t = shift - mu * a
            pixels, pixels_y = _pixels(image), _pixels(image_y)
            sums = pixels_y.sum(0).double()
            products = (pixels_y.t() @ pixels).double()
            of_a, of_t = (products * matrix).sum(0), sums @ matrix
            of_r = of_a - of_t * mu
            for grad, part in zip(
                grads, (of_r * r, of_t, products * a + sums[:, None] * t, sums), strict=True
            ):
                grad += part
            if grad_x is not None:
                values = image.numel() // groups
                # of the mean, and of the variance by x: 2·(x − μ)
                of_mean, by_x = (
                    z.unflatten(0, (groups, -1)).sum(1).repeat_interleave(len(r) // groups) / values
                    for z in (-of_t * a, -of_r * scale * r**3)
                )
                to_x = (matrix * a, by_x, of_mean - by_x * mu)
                _fill_gradient(_pixels(grad_x[i]), pixels, pixels_y, *(z.to(x.dtype) for z in to_x))
        scale, shift, matrix, bias = (z.to(x.dtype) for z in grads)
        return grad_x, scale, shift, matrix.view_as(weight), bias, None, None


def _fill_gradient(
    grad_x: Tensor, x: Tensor, grad_y: Tensor, matrix: Tensor, by_x: Tensor, plus: Tensor
) -> None:
    for to, pixels, pixels_y in zip(*(z.split(_PIXELS) for z in (grad_x, x, grad_y)), strict=True):
        torch.mm(pixels_y, matrix, out=to)
        to.addcmul_(pixels, by_x).add_(plus)


def _gradients_by_autograd(grad, needed, inputs, groups, eps):
    x, scale, shift, weight, bias = inputs
    y = F.conv2d(torch.group_norm(x, groups, scale, shift, eps), weight, bias)
    wanted = [z for z, need in zip(inputs, needed, strict=False) if need]
    found = iter(torch.autograd.grad(y, wanted, grad, create_graph=True))
    return tuple(next(found) if need else None for need in needed)


def _pixels(image: Tensor) -> Tensor:
    """(C, H, W), contiguous or in channels-last, as (H·W, C), a view."""
    if image.is_contiguous():
        return image.view(len(image), -1).t()
    return image.permute(1, 2, 0).view(-1, len(image))
