from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


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
        torch._dynamo.config.recompile_limit = 64
        return Subject(
            torch.compile(self.run, fullgraph=True, dynamic=False), self.flops, self.extras
        )
