from mmcv.cnn import ConvModule
from mmseg.models.backbones import SwinTransformer
from mmseg.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class DepthFormerSwin(SwinTransformer):
    """mmseg's SwinTransformer with the stem of a ResNet beside it.

    The backbone of DepthFormer (Li et al., arXiv 2203.14211): the stem, a convolution of 7×7 with
    stride 2, batch norm and ReLU, keeps the details that Swin's patches of 4×4 lose. Published
    weights of Swin load as in the parent; the stem starts from its random initialization.

    Args:
        in_channels: Channels of the picture.
        stem_channels: Channels of the stem's map.
        **kwargs: The others of ``mmseg.models.backbones.SwinTransformer``.
    """

    def __init__(self, *, in_channels: int = 3, stem_channels: int = 64, **kwargs) -> None:
        super().__init__(in_channels=in_channels, **kwargs)
        self.stem = ConvModule(
            in_channels, stem_channels, 7, stride=2, padding=3, norm_cfg=dict(type='BN')
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, in_channels, H, W) to the stem's map at 1/2, and Swin's levels at 1/4 to 1/32."""
        return (self.stem(x), *super().forward(x))
