from mmcv.cnn import build_upsample_layer
from mmengine.model import xavier_init
from torch import Tensor, nn

from .base import Upsampler

PLAIN_TYPES = ('nearest', 'bilinear', 'deconv', 'pixel_shuffle', 'carafe')


class PlainUpsampler(Upsampler):
    """A layer of mmcv's under the contract of an upsampler.

    ================ ============================================================
    type             layer
    ================ ============================================================
    'nearest'        ``nn.Upsample``
    'bilinear'       ``nn.Upsample``, align_corners False
    'deconv'         ``nn.ConvTranspose2d``, kernel 2s − 1 (3×3 at 2×), stride s
    'pixel_shuffle'  3×3 convolution to s²·C channels, pixel shuffle
    'carafe'         mmcv's own ``CARAFEPack``, which runs on CUDA alone
    ================ ============================================================

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        type: The layer's name in mmcv, as above.
        **layer_cfg: Passed to the layer, over the arguments above.
    """

    def __init__(self, in_channels: int, scale_factor: int = 2, *, type: str, **layer_cfg) -> None:
        super().__init__(in_channels, scale_factor)
        cfg = _layer_cfg(type, in_channels, scale_factor)
        self.layer = build_upsample_layer({**cfg, **layer_cfg, 'type': type})
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if isinstance(self.layer, nn.ConvTranspose2d):
            xavier_init(self.layer, distribution='uniform')
        elif hasattr(self.layer, 'init_weights'):
            self.layer.init_weights()

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW)."""
        return self.layer(x)


def _layer_cfg(type: str, c: int, s: int) -> dict:
    if type == 'deconv':
        # the smallest odd kernel that leaves no gap between the strides
        return dict(
            in_channels=c,
            out_channels=c,
            kernel_size=2 * s - 1,
            stride=s,
            padding=s - 1,
            output_padding=s - 1,
        )
    if type == 'pixel_shuffle':
        return dict(in_channels=c, out_channels=c, scale_factor=s, upsample_kernel=3)
    if type == 'carafe':
        return dict(channels=c, scale_factor=s)
    return dict(scale_factor=s, **(dict(align_corners=False) if type == 'bilinear' else {}))
