from mmengine.model import normal_init, xavier_init
from mmengine.registry import MODELS
from torch import Tensor

from ..ops.shuffle import pixel_shuffle
from .reassembly import ReassemblyUpsampler


@MODELS.register_module()
class CARAFE(ReassemblyUpsampler):
    """Content-Aware ReAssembly of FEatures (Wang et al., ICCV 2019).

    A small encoder makes an own k×k kernel for every output position. It runs on every device:
    mmcv's compiled operator where there is one, else the native one with the same numbers. The
    state of mmcv's ``CARAFEPack`` loads as it is.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        up_kernel: Size k of the reassembly kernels, odd.
        up_group: Groups of channels that share a kernel, G; divides C.
        encoder_kernel: Size of the encoder's convolution, odd.
        encoder_dilation: Its dilation.
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
        self.content_encoder = self.encoder(up_group * up_kernel**2 * scale_factor**2,
                                            encoder_kernel, encoder_dilation)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        xavier_init(self.channel_compressor, distribution='uniform')
        normal_init(self.content_encoder, std=0.001)

    def kernels(self, x: Tensor) -> Tensor:
        logits = self.content_encoder(self.channel_compressor(x))
        return self.normalize(pixel_shuffle(logits, self.scale_factor))
