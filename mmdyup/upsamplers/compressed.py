from torch import Tensor, nn

from ..ops.checks import check_odd, check_positive_int
from .reassembly import ReassemblyUpsampler


class CompressedReassembly(ReassemblyUpsampler):
    """What CARAFE and DLU share: a compressed feature, kernels made of it, reassembly.

    A subclass defines :meth:`add_encoders` and :meth:`reset_parameters` too.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        up_kernel: Size k of the reassembly kernels, odd.
        up_group: Groups of channels that share a kernel, G; divides C.
        encoder_kernel: Size of the convolutions over the compressed feature, odd.
        encoder_dilation: Their dilation.
        compressed_channels: Channels that the 1×1 compressor leaves, Cm.
        backend: Passed to :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A kernel size is even, or the groups do not divide C.
    """

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        up_kernel: int = 5,
        up_group: int = 1,
        encoder_kernel: int = 3,
        encoder_dilation: int = 1,
        compressed_channels: int = 64,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, up_kernel, up_group, backend, init_cfg)
        check_odd('encoder_kernel', encoder_kernel)
        check_positive_int('encoder_dilation', encoder_dilation)
        check_positive_int('compressed_channels', compressed_channels)
        self.encoder_kernel = encoder_kernel
        self.encoder_dilation = encoder_dilation
        self.channel_compressor = nn.Conv2d(in_channels, compressed_channels, 1)
        self.add_encoders()
        self.reset_parameters()

    def add_encoders(self) -> None:
        """Adds the convolutions that make kernels, each an :meth:`encoder`."""
        raise NotImplementedError

    def encoder(self, out_channels: int) -> nn.Conv2d:
        """A convolution over the compressed feature that keeps its size."""
        return nn.Conv2d(
            self.channel_compressor.out_channels,
            out_channels,
            self.encoder_kernel,
            padding=(self.encoder_kernel - 1) * self.encoder_dilation // 2,
            dilation=self.encoder_dilation,
        )

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW), in the dtype and memory format of ``x``."""
        return self.reassemble(x)
