"""How others do the same with PyTorch's public operators, for comparison."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..upsamplers.dysample import bilinear_start


def unfold_reassembly(x: Tensor, kernels: Tensor, scale_factor: int) -> Tensor:
    """CARAFE's reassembly by a k²-fold copy of the feature at the upsampled size.

    Args:
        x: (N, C, H, W).
        kernels: (N, k², sH, sW).
        scale_factor: s.

    Returns:
        (N, C, sH, sW).
    """
    n, c, h, w = x.shape
    k = math.isqrt(kernels.shape[1])
    windows = F.unfold(x, k, padding=k // 2).view(n, c * k * k, h, w)
    windows = F.interpolate(windows, scale_factor=scale_factor, mode='nearest')
    return (windows.unflatten(1, (c, k * k)) * kernels[:, None]).sum(2)


class GridSampleDySample(nn.Module):
    """DySample (LP, static scope) as plain ports have it: positions in the feature's dtype.

    Half precision cannot hold these positions; only its time is of interest there.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The ratio s.
        groups: Groups of channels that share their offsets.
    """

    def __init__(self, in_channels: int, scale_factor: int = 2, groups: int = 4) -> None:
        super().__init__()
        self.scale_factor = scale_factor
        self.groups = groups
        self.offset = nn.Conv2d(in_channels, 2 * groups * scale_factor**2, 1)
        nn.init.normal_(self.offset.weight, std=0.001)
        nn.init.zeros_(self.offset.bias)
        self.register_buffer('init_pos', bilinear_start(scale_factor, groups))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW)."""
        n, c, h, w = x.shape
        s, g = self.scale_factor, self.groups
        offsets = (0.25 * self.offset(x) + self.init_pos).view(n, 2, g * s * s, h, w)
        rows, columns = (
            torch.arange(size, device=x.device, dtype=x.dtype) + 0.5 for size in (h, w)
        )
        centres = torch.stack(torch.meshgrid(columns, rows, indexing='xy'))[None, :, None]
        size = torch.tensor([w, h], device=x.device, dtype=x.dtype).view(1, 2, 1, 1, 1)
        grid = 2 * (centres + offsets) / size - 1
        grid = F.pixel_shuffle(grid.reshape(n, -1, h, w), s).view(n, 2, g, s * h, s * w)
        y = F.grid_sample(
            x.reshape(n * g, c // g, h, w),
            grid.permute(0, 2, 3, 4, 1).flatten(0, 1),
            mode='bilinear',
            padding_mode='border',
            align_corners=False,
        )
        return y.view(n, c, s * h, s * w)
