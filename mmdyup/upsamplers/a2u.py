import math

import torch
from torch import Tensor, nn

from ..ops import carafe
from ..ops.backends import is_exporting
from ..ops.tensors import compute_dtype, pixel_shuffle, pixel_unshuffle
from .init import constant_init, xavier_init
from .reassembly import GuidedReassembly
from .registry import register

_NORM_GROUPS = 32


@register
class A2U(GuidedReassembly):
    """Learning Affinity-Aware Upsampling (Dai et al., CVPR 2021).

    An affinity for every cell, a bilinear form of the finer feature around it, of rank one; k²·s²
    weights of the whole picture spread it over the taps of the cell's kernels. As in the authors'
    code, a kernel is the softmax of sigmoids. States of that code load, whose branch for
    downsampling is dropped.

    The two windows that the form is made of, of 3s×3s pixels at a stride of s, come from the
    feature averaged to 3s×3s; all channels share them. The convolutions start Xavier-uniform.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more; the authors' is 2.
        guide_channels: Channels Cf of the guide, a multiple of 32; C where it is None.
        up_kernel: Size k of the reassembly kernels, odd.
        backend: Passed to :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after that start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The kernel size is even, or Cf is no multiple of 32.
    """

    variants = {'a2u': {}}

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        guide_channels: int | None = None,
        up_kernel: int = 3,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, guide_channels, up_kernel, backend, init_cfg)
        if self.guide_channels % _NORM_GROUPS:
            raise ValueError(
                f'A2U normalizes {_NORM_GROUPS} groups of channels, so guide_channels must be a '
                f'multiple of {_NORM_GROUPS}, but it is {self.guide_channels}.'
            )
        self.kernel_gen = Affinity(self.guide_channels, scale_factor, up_kernel)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                xavier_init(module)
            elif isinstance(module, nn.GroupNorm):
                constant_init(module, 1)

    def logits(self, x: Tensor, guide: Tensor) -> Tensor:
        return self.kernel_gen(guide, self.backend).sigmoid()

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        for name in ('weight', 'bias'):
            state_dict.pop(f'{prefix}kernel_gen.bconv_DP.1.{name}', None)
        super()._load_from_state_dict(state_dict, prefix, *args)


class Affinity(nn.Module):
    """A rank-one bilinear form of every cell's surroundings, spread over taps and places.

    Args:
        channels: Channels Cf of the guide, a multiple of 32.
        scale_factor: The ratio s.
        kernel_size: Size k of the kernels.
    """

    def __init__(self, channels: int, scale_factor: int, kernel_size: int) -> None:
        super().__init__()
        self.scale_factor = scale_factor
        # the authors' names
        self.bnu, self.bnv = (
            nn.Sequential(nn.GroupNorm(_NORM_GROUPS, channels), nn.LeakyReLU()) for _ in range(2)
        )
        self.bconv_UP = _pooled(channels, (kernel_size * scale_factor) ** 2, 1)
        self.bconv_U, self.bconv_V = (_pooled(channels, 1, 3 * scale_factor) for _ in range(2))

    def forward(self, guide: Tensor, backend: str) -> Tensor:
        """(N, Cf, sH, sW) to (N, k², sH, sW), float32 at least."""
        s = self.scale_factor
        places = torch.cat([guide[:, :, i::s, j::s] for i in range(s) for j in range(s)], 1)
        u, v = (
            _normalized(self._windowed(places, pooled(guide), backend), norm)
            for pooled, norm in ((self.bconv_U, self.bnu), (self.bconv_V, self.bnv))
        )
        affinity = (u * v).sum(1, keepdim=True) / math.sqrt(guide.shape[1])
        spread = self.bconv_UP(guide)
        return pixel_shuffle(affinity * spread.to(affinity.dtype), s)

    def _windowed(self, places: Tensor, window: Tensor, backend: str) -> Tensor:
        """One 3s×3s window over all channels, at a stride of s: a reassembly for each place.

        Args:
            places: The guide's places of a cell one after another, (N, s²·Cf, H, W).
            window: (N, 1, 3s, 3s).
            backend: Passed to :func:`mmdyup.ops.carafe`.

        Returns:
            (N, Cf, H, W), float32 at least.
        """
        kernels = pixel_unshuffle(window, self.scale_factor).flatten(1)
        kernels = kernels[..., None, None].expand(-1, -1, *places.shape[2:])
        count = self.scale_factor**2
        y = carafe(places, kernels, count, 1, backend)
        return sum(y.to(compute_dtype(y)).chunk(count, 1))


def _pooled(in_channels: int, out_channels: int, size: int) -> nn.Sequential:
    """A 1×1 convolution of the feature averaged to size×size."""
    return nn.Sequential(_Average(size), nn.Conv2d(in_channels, out_channels, 1))


class _Average(nn.AdaptiveAvgPool2d):
    """PyTorch's, and as two products of matrices where its exporters to ONNX would fix the size."""

    def forward(self, x: Tensor) -> Tensor:
        if not (is_exporting() or torch.onnx.is_in_onnx_export()):
            return super().forward(x)
        rows, columns = (self._shares(length, x) for length in x.shape[2:])
        return rows @ x @ columns.T

    def _shares(self, length: int, x: Tensor) -> Tensor:
        """(size, length): what every row or column has in each average."""
        i = torch.arange(length, device=x.device)
        ends = torch.arange(self.output_size + 1, device=x.device)[:, None] * length
        first = ends[:-1] // self.output_size
        beyond = (ends[1:] + self.output_size - 1) // self.output_size
        inside = ((i >= first) & (i < beyond)).to(x.dtype)
        return inside / inside.sum(1, keepdim=True)


def _normalized(z: Tensor, layers: nn.Sequential) -> Tensor:
    """A group norm, but with 0 for one value a group, as a 1×1 map may have, and what follows."""
    norm, activation = layers
    dtype = z.dtype
    weight, bias = norm.weight.to(dtype), norm.bias.to(dtype)
    return activation(torch.group_norm(z, norm.num_groups, weight, bias, norm.eps))
