"""What a benchmark measures: a case (feature and ratio), its inputs, and a row's subject."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

DTYPES = {
    str(dtype).removeprefix('torch.'): dtype
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64)
}
LAYOUTS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}
_MOST_SETS = 64


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


@dataclass(frozen=True)
class Subject:
    """What a row measures.

    Args:
        run: Maps the feature, and what ``extras`` makes, to the upsampled feature.
        flops: Floating-point operations of one call, see :mod:`.flops`.
        extras: Makes the inputs other than the feature.
    """

    run: Callable[..., Tensor]
    flops: int
    extras: Callable[[], tuple[Tensor, ...]] = tuple

    @property
    def parameters(self) -> list[nn.Parameter]:
        return list(self.run.parameters()) if isinstance(self.run, nn.Module) else []

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters)

    def compiled(self) -> 'Subject':
        """The same through ``torch.compile``, as one graph or not at all."""
        # variants of one class share their code, and with it the few graphs kept for one function
        config = torch._dynamo.config
        # its name before PyTorch 2.6
        old = not hasattr(config, 'recompile_limit')
        setattr(config, 'cache_size_limit' if old else 'recompile_limit', 64)
        return Subject(
            torch.compile(self.run, fullgraph=True, dynamic=False), self.flops, self.extras
        )


class Features:
    """The features of one case, which all its rows share.

    On CUDA there are so many that they fill the L2 cache twice, so that taken in turn each comes
    from memory; on the CPU there is one.
    """

    def __init__(self, case: Case) -> None:
        first = case.feature()
        count = 1
        if first.is_cuda:
            cache = torch.cuda.get_device_properties(first.device).L2_cache_size
            count = min(_MOST_SETS, 1 + math.ceil(2 * cache / first.nbytes))
        self.all = [first, *(case.feature() for _ in range(count - 1))]
        for feature in self.all:
            feature.requires_grad_()

    def sets(self, subject: Subject) -> list[tuple[Tensor, ...]]:
        """A set of inputs of ``subject`` for every feature; all of them ask for gradients."""
        return [
            (feature, *(extra.requires_grad_() for extra in subject.extras()))
            for feature in self.all
        ]
