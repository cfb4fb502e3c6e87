from torch import Tensor, nn

from ..ops import carafe
from ..ops.checks import check_divides, check_odd, check_positive_int
from .base import Upsampler


class ReassemblyUpsampler(Upsampler):
    """What CARAFE and DLU share: a compressed feature, kernels made of it, reassembly.

    A subclass defines :meth:`kernels`. Arguments are those of :class:`mmdyup.CARAFE`.
    """

    def __init__(self, in_channels: int, scale_factor: int, up_kernel: int, up_group: int,
                 compressed_channels: int, backend: str, init_cfg: dict | list | None) -> None:
        super().__init__(in_channels, scale_factor, init_cfg)
        check_odd('up_kernel', up_kernel)
        check_divides('up_group', up_group, in_channels)
        check_positive_int('compressed_channels', compressed_channels)
        self.up_kernel = up_kernel
        self.up_group = up_group
        self.backend = backend
        self.channel_compressor = nn.Conv2d(in_channels, compressed_channels, 1)

    def encoder(self, out_channels: int, kernel_size: int, dilation: int) -> nn.Conv2d:
        """A convolution over the compressed feature that keeps its size."""
        check_odd('encoder_kernel', kernel_size)
        check_positive_int('encoder_dilation', dilation)
        return nn.Conv2d(self.channel_compressor.out_channels, out_channels, kernel_size,
                         padding=(kernel_size - 1) * dilation // 2, dilation=dilation)

    def normalize(self, logits: Tensor) -> Tensor:
        """Softmax over each group's k² channels of (N, G·k², H, W)."""
        return logits.unflatten(1, (self.up_group, -1)).softmax(2).flatten(1, 2)

    def kernels(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to reassembly kernels (N, G·k², sH, sW) that sum to one."""
        raise NotImplementedError

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW), in the dtype and memory format of ``x``."""
        return carafe(x, self.kernels(x), self.up_group, self.scale_factor, self.backend)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, up_kernel={self.up_kernel}, up_group={self.up_group}'
