"""What every row of one table is measured on."""

from dataclasses import dataclass

import torch
from torch import Tensor

DTYPES = {
    str(dtype).removeprefix('torch.'): dtype
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64)
}
LAYOUTS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


@dataclass(frozen=True)
class Case:
    """A feature and a ratio.

    Args:
        channels: C.
        height: H.
        width: W.
        ratio: The upsampling ratio s.
        batch: N.
        dtype: A key of ``DTYPES``.
        layout: A key of ``LAYOUTS``.
        device: 'cpu' or 'cuda'.
    """

    channels: int = 256
    height: int = 120
    width: int = 120
    ratio: int = 2
    batch: int = 1
    dtype: str = 'float32'
    layout: str = 'contiguous'
    device: str = 'cpu'

    @property
    def title(self) -> str:
        batch = f'batch {self.batch}, ' if self.batch > 1 else ''
        return (
            f'{self.channels}×{self.height}×{self.width} at {self.ratio}×, {batch}'
            f'{self.dtype}, {self.layout}, {self.device}'
        )

    @property
    def cells(self) -> int:
        """Low-resolution pixels, N·H·W."""
        return self.batch * self.height * self.width

    def feature(self) -> Tensor:
        """Random numbers, (N, C, H, W)."""
        return self.low(self.channels)

    def low(self, channels: int) -> Tensor:
        """Random numbers at the size of the feature, (N, channels, H, W)."""
        return self._randn(channels, 1)

    def high(self, channels: int) -> Tensor:
        """Random numbers at the upsampled size, (N, channels, sH, sW)."""
        return self._randn(channels, self.ratio)

    def _randn(self, channels: int, ratio: int) -> Tensor:
        size = self.batch, channels, ratio * self.height, ratio * self.width
        return torch.randn(size, device=self.device).to(
            DTYPES[self.dtype], memory_format=LAYOUTS[self.layout]
        )
