from mmengine.model import constant_init, normal_init, xavier_init
from mmengine.registry import MODELS
from torch import Tensor

from ..ops import expand_kernels
from ..ops.shuffle import pixel_shuffle
from .reassembly import ReassemblyUpsampler


@MODELS.register_module()
class DLU(ReassemblyUpsampler):
    """Dynamic Lightweight Upsampling (Fu et al., ICPR 2024).

    CARAFE whose encoder makes kernels for low-resolution positions only; learned offsets then
    sample the kernel of every output position from that small space. At initialization the
    offsets are zero, and every cell's positions share its kernel.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        up_kernel: Size k of the reassembly kernels, odd.
        up_group: Groups of channels that share a kernel, G; divides C.
        encoder_kernel: Size of the two convolutions over the compressed feature, odd.
        encoder_dilation: Their dilation.
        compressed_channels: Channels that the 1×1 compressor leaves, Cm.
        backend: Passed to :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A kernel size is even, or the groups do not divide C.
    """

    def __init__(self, in_channels: int, scale_factor: int = 2, up_kernel: int = 5,
                 up_group: int = 1, encoder_kernel: int = 3, encoder_dilation: int = 1,
                 compressed_channels: int = 64, backend: str = 'auto',
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(in_channels, scale_factor, up_kernel, up_group, compressed_channels,
                         backend, init_cfg)
        self.kernel_space_generator = self.encoder(up_group * up_kernel**2, encoder_kernel,
                                                   encoder_dilation)
        self.conv_offset = self.encoder(2 * up_group * scale_factor**2, encoder_kernel,
                                        encoder_dilation)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        xavier_init(self.channel_compressor, distribution='uniform')
        normal_init(self.kernel_space_generator, std=0.001)
        constant_init(self.conv_offset, 0)

    def kernels(self, x: Tensor) -> Tensor:
        z = self.channel_compressor(x)
        small = self.normalize(self.kernel_space_generator(z))
        offsets = pixel_shuffle(self.conv_offset(z), self.scale_factor)
        return expand_kernels(small, offsets, self.scale_factor, self.up_group)
