from copy import deepcopy

from mmdet.models.dense_heads import MaskFormerHead
from mmdet.registry import MODELS

from ..pyramid import DynamicPart
from .pixel_decoder import DyPixelDecoder, DyTransformerEncoderPixelDecoder

_OURS = dict(
    PixelDecoder=DyPixelDecoder, TransformerEncoderPixelDecoder=DyTransformerEncoderPixelDecoder
)


class DynamicMaskFormerHead(DynamicPart):
    """Base that stands before a MaskFormerHead of mmdet's or mmseg's and makes its pixel decoder,
    mmdet's ``PixelDecoder`` or ``TransformerEncoderPixelDecoder``, take any upsampler; see
    :class:`DyPixelDecoder`.

    With ``dict(type='nearest')`` it takes the state of that head and gives its output.

    Args:
        pixel_decoder: That of the ``MaskFormerHead``, of one of these types.
        upsample_cfg: The upsampler between two levels; see :class:`DynamicPart`.
        **kwargs: The others of the ``MaskFormerHead``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or ``pixel_decoder`` is of another type.
    """

    def __init__(self, *, pixel_decoder: dict, **kwargs) -> None:
        kind = _kind(pixel_decoder)
        if kind not in _OURS:
            raise ValueError(
                f'{type(self).__name__} upsamples in a PixelDecoder, but pixel_decoder is a '
                f"{kind}: take type='mmdet.PixelDecoder', and give upsample_cfg to the head."
            )
        # the parent adds the channels
        self._pixel_decoder = deepcopy(pixel_decoder)
        super().__init__(pixel_decoder=self._pixel_decoder, **kwargs)

    def add_upsamplers(self) -> None:
        # only now, for the parent projects what comes out of a PixelDecoder, and of no other type
        decoder = dict(self._pixel_decoder, upsample_cfg=self.upsample_cfg)
        decoder['type'] = _OURS[_kind(decoder)]
        self.pixel_decoder = MODELS.build(decoder)


def _kind(pixel_decoder: dict) -> str:
    return str(pixel_decoder['type']).rpartition('.')[2]


@MODELS.register_module()
class DyMaskFormerHead(DynamicMaskFormerHead, MaskFormerHead):
    """mmdet's MaskFormerHead with any upsampler in its pixel decoder; see
    :class:`DynamicMaskFormerHead`."""
