from torch import Tensor

from ..ops.tensors import pixel_shuffle
from .init import normal_init, xavier_init
from .reassembly import CompressedReassembly
from .registry import register


@register
class CARAFE(CompressedReassembly):
    """Content-Aware ReAssembly of FEatures (Wang et al., ICCV 2019).

    A small encoder makes an own k×k kernel for every output position. It runs on every device:
    mmcv's compiled operator where there is one, else mmdyup's own with the same numbers. The
    state of mmcv's ``CARAFEPack`` loads as it is.

    Takes the arguments of :class:`CompressedReassembly`.
    """

    variants = {'carafe': {}}

    def add_encoders(self) -> None:
        self.content_encoder = self.encoder(
            self.up_group * self.up_kernel**2 * self.scale_factor**2
        )

    def reset_parameters(self) -> None:
        xavier_init(self.channel_compressor)
        normal_init(self.content_encoder, std=0.001)

    def logits(self, x: Tensor) -> Tensor:
        return pixel_shuffle(self.content_encoder(self.channel_compressor(x)), self.scale_factor)
