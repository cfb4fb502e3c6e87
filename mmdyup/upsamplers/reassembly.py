from torch import Tensor

from ..ops import carafe
from ..ops.checks import check_divides, check_odd
from ..ops.tensors import softmax_kernels
from .base import Upsampler


class ReassemblyUpsampler(Upsampler):
    """What CARAFE, DLU, FADE and SAPA share: reassembly by kernels that a subclass makes.

    A subclass defines :meth:`logits`, or :meth:`kernels` and ``forward``.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        up_kernel: Size k of the reassembly kernels, odd.
        up_group: Groups of channels that share a kernel, G; divides C.
        backend: Passed to :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The kernel size is even, or the groups do not divide C.
    """

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        up_kernel: int = 5,
        up_group: int = 1,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, init_cfg)
        check_odd('up_kernel', up_kernel)
        check_divides('up_group', up_group, in_channels)
        self.up_kernel = up_kernel
        self.up_group = up_group
        self.backend = backend

    def logits(self, *maps: Tensor) -> Tensor:
        """What a softmax makes kernels: (N, G·k², sH, sW), of all that ``forward`` takes."""
        raise NotImplementedError

    def kernels(self, *maps: Tensor) -> Tensor:
        """Reassembly kernels, (N, G·k², sH, sW), that sum to one."""
        return softmax_kernels(self.logits(*maps), self.up_group)

    def reassemble(self, x: Tensor, *others: Tensor) -> Tensor:
        """``x`` upsampled by the kernels that are made of it and ``others``."""
        return carafe(
            x, self.logits(x, *others), self.up_group, self.scale_factor, self.backend, softmax=True
        )

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, up_kernel={self.up_kernel}, up_group={self.up_group}'
