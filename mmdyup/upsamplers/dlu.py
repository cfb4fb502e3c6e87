from mmengine.model import constant_init, normal_init, xavier_init
from mmengine.registry import MODELS
from torch import Tensor

from ..ops import expand_kernels
from ..ops.shuffle import pixel_shuffle
from .compressed import CompressedReassembly


@MODELS.register_module()
class DLU(CompressedReassembly):
    """Dynamic Lightweight Upsampling (Fu et al., ICPR 2024).

    CARAFE whose encoder makes kernels for low-resolution positions only; learned offsets then
    sample the kernel of every output position from that small space. At initialization the
    offsets are zero, and every cell's positions share its kernel.

    Takes the arguments of :class:`CompressedReassembly`.
    """

    def add_encoders(self) -> None:
        self.kernel_space_generator = self.encoder(self.up_group * self.up_kernel**2)
        self.conv_offset = self.encoder(2 * self.up_group * self.scale_factor**2)

    def reset_parameters(self) -> None:
        xavier_init(self.channel_compressor, distribution='uniform')
        normal_init(self.kernel_space_generator, std=0.001)
        constant_init(self.conv_offset, 0)

    def kernels(self, x: Tensor) -> Tensor:
        z = self.channel_compressor(x)
        small = self.normalize(self.kernel_space_generator(z))
        offsets = pixel_shuffle(self.conv_offset(z), self.scale_factor)
        return expand_kernels(small, offsets, self.scale_factor, self.up_group)
