from torch import Tensor

from ..ops import expand_and_reassemble, expand_kernels
from ..ops.checks import check_input
from ..ops.tensors import pixel_shuffle, softmax_kernels
from .init import constant_init, normal_init, xavier_init
from .reassembly import CompressedReassembly
from .registry import register


@register
class DLU(CompressedReassembly):
    """Dynamic Lightweight Upsampling (Fu et al., ICPR 2024).

    CARAFE whose encoder makes kernels for low-resolution positions only; learned offsets then
    sample the kernel of every output position from that small space. At initialization the
    offsets are zero, and every cell's positions share its kernel.

    Takes the arguments of :class:`CompressedReassembly`.
    """

    variants = {'dlu': {}}

    def add_encoders(self) -> None:
        self.kernel_space_generator = self.encoder(self.up_group * self.up_kernel**2)
        self.conv_offset = self.encoder(2 * self.up_group * self.scale_factor**2)

    def reset_parameters(self) -> None:
        xavier_init(self.channel_compressor)
        normal_init(self.kernel_space_generator, std=0.001)
        constant_init(self.conv_offset, 0)

    def kernel_space(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Small kernels (N, G·k², H, W) that sum to one, and offsets (N, 2G, sH, sW)."""
        z = self.channel_compressor(x)
        return (
            softmax_kernels(self.kernel_space_generator(z), self.up_group),
            pixel_shuffle(self.conv_offset(z), self.scale_factor),
        )

    def kernels(self, x: Tensor) -> Tensor:
        return expand_kernels(
            *self.kernel_space(x), self.scale_factor, self.up_group, self.backend_of_kernels
        )

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW), in the dtype and memory format of ``x``."""
        check_input(self, 'x', x, self.in_channels)
        return expand_and_reassemble(
            x, *self.kernel_space(x), self.scale_factor, self.up_group, self.backend
        )
