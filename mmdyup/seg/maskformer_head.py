import torch
from mmseg.models.decode_heads import MaskFormerHead
from mmseg.registry import MODELS
from torch import Tensor

from ..det.maskformer_head import DynamicMaskFormerHead


@MODELS.register_module()
class DyMaskFormerHead(DynamicMaskFormerHead, MaskFormerHead):
    """mmseg's MaskFormerHead with any upsampler in its pixel decoder; see
    :class:`DynamicMaskFormerHead`. Both heads need mmdet.

    Pictures may be padded by the data preprocessor when they are tested: the masks are those of
    the padded picture, where the parent would squeeze them into the size before.
    """

    def predict(self, x: tuple[Tensor, ...], batch_img_metas: list[dict], test_cfg: dict) -> Tensor:
        """Backbone features, finest first, to scores (N, num_classes, H, W) of every pixel."""
        # a window's size is a torch.Size, and already that of what comes in
        metas = [
            meta
            if isinstance(meta['img_shape'], torch.Size)
            else dict(meta, img_shape=meta.get('pad_shape', meta['img_shape']))
            for meta in batch_img_metas
        ]
        return super().predict(x, metas, test_cfg)
