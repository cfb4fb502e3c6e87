from torch import Tensor

from ..ops import carafe
from ..ops.checks import check_divides, check_odd
from .base import Upsampler


class ReassemblyUpsampler(Upsampler):
    """What CARAFE, DLU, FADE and SAPA share: reassembly by kernels that a subclass makes.

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

    def __init__(self, in_channels: int, scale_factor: int = 2, up_kernel: int = 5,
                 up_group: int = 1, backend: str = 'auto',
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(in_channels, scale_factor, init_cfg)
        check_odd('up_kernel', up_kernel)
        check_divides('up_group', up_group, in_channels)
        self.up_kernel = up_kernel
        self.up_group = up_group
        self.backend = backend

    def normalize(self, logits: Tensor) -> Tensor:
        """Softmax over each group's k² channels of (N, G·k², H, W)."""
        return logits.unflatten(1, (self.up_group, -1)).softmax(2).flatten(1, 2)

    def reassemble(self, x: Tensor, kernels: Tensor) -> Tensor:
        """(N, C, H, W) and (N, G·k², sH, sW) to (N, C, sH, sW) in the dtype and format of ``x``."""
        return carafe(x, kernels, self.up_group, self.scale_factor, self.backend)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, up_kernel={self.up_kernel}, up_group={self.up_group}'
