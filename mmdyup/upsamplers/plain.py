import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.checks import check_input, check_odd
from ..ops.tensors import pixel_shuffle
from .base import Upsampler
from .init import xavier_init


class PlainUpsampler(Upsampler):
    """A usual layer under the contract of an upsampler; a subclass sets ``layer``.

    States have the names that mmcv's upsample layers give them.
    """

    layer: nn.Module

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW)."""
        check_input(self, 'x', x, self.in_channels)
        return self.layer(x)


class Nearest(PlainUpsampler):
    """``nn.Upsample`` to the nearest pixel.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        align_corners: None or False, as a config has it that names either interpolation.

    Raises:
        ValueError: ``align_corners`` is asked for.
    """

    def __init__(
        self, in_channels: int, scale_factor: int = 2, align_corners: bool | None = None
    ) -> None:
        super().__init__(in_channels, scale_factor)
        if align_corners:
            raise ValueError(
                "The nearest pixel knows no align_corners: leave it out, or take type='bilinear'."
            )
        self.layer = nn.Upsample(scale_factor=scale_factor, mode='nearest')


class Bilinear(PlainUpsampler):
    """``nn.Upsample`` by bilinear interpolation.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        align_corners: As in ``F.interpolate``.
    """

    def __init__(
        self, in_channels: int, scale_factor: int = 2, align_corners: bool = False
    ) -> None:
        super().__init__(in_channels, scale_factor)
        self.layer = nn.Upsample(
            scale_factor=scale_factor, mode='bilinear', align_corners=align_corners
        )

    def meet(self, x: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Interpolates to the size of ``fine`` at once, as the parents of necks and heads do.

        See :meth:`Upsampler.meet`. What differs is a size that is not s times that of ``x``.
        """
        self.check_apart(x, fine)
        size, align_corners = fine.shape[-2:], self.layer.align_corners
        return F.interpolate(x, size, mode='bilinear', align_corners=align_corners), fine


class Deconv(PlainUpsampler):
    """``nn.ConvTranspose2d``, unless told otherwise of kernel 2s − 1 (3×3 at 2×) and stride s.

    That is the smallest odd kernel that leaves no gap between the strides.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        kernel_size, stride, padding, output_padding: As in ``nn.ConvTranspose2d``; None is what
            goes with that kernel.
        groups, bias: As in ``nn.ConvTranspose2d``.

    Raises:
        ValueError: ``nn.ConvTranspose2d`` refuses one of them.
    """

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        kernel_size: int | None = None,
        stride: int | None = None,
        padding: int | None = None,
        output_padding: int | None = None,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, scale_factor)
        s = scale_factor
        usual = dict(kernel_size=2 * s - 1, stride=s, padding=s - 1, output_padding=s - 1)
        own = dict(
            kernel_size=kernel_size, stride=stride, padding=padding, output_padding=output_padding
        )
        options = usual | {name: value for name, value in own.items() if value is not None}
        try:
            self.layer = nn.ConvTranspose2d(
                in_channels, in_channels, **options, groups=groups, bias=bias
            )
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f'nn.ConvTranspose2d refuses {options | dict(groups=groups)} '
                f'({str(error).splitlines()[0].rstrip(".")}): give what it takes.'
            ) from error
        self.reset_parameters()

    def reset_parameters(self) -> None:
        xavier_init(self.layer)


class PixelShuffle(PlainUpsampler):
    """A convolution to s²·C channels and a pixel shuffle.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        upsample_kernel: Size of the convolution, odd.
    """

    def __init__(self, in_channels: int, scale_factor: int = 2, upsample_kernel: int = 3) -> None:
        super().__init__(in_channels, scale_factor)
        check_odd('upsample_kernel', upsample_kernel)
        self.layer = _PixelShuffle(in_channels, scale_factor, upsample_kernel)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.layer.init_weights()


class _PixelShuffle(nn.Module):
    """Its starts are drawn as often as mmcv's are, so that a seed gives the same weights."""

    def __init__(self, channels: int, scale_factor: int, kernel_size: int) -> None:
        super().__init__()
        self.scale_factor = scale_factor
        self.upsample_conv = nn.Conv2d(
            channels, channels * scale_factor**2, kernel_size, padding=kernel_size // 2
        )
        self.init_weights()

    def init_weights(self) -> None:
        xavier_init(self.upsample_conv)

    def forward(self, x: Tensor) -> Tensor:
        z = self.upsample_conv(x)
        # PyTorch's own has no gradient for an empty batch
        shuffle = F.pixel_shuffle if x.shape[0] > 0 else pixel_shuffle
        return shuffle(z, self.scale_factor)


class MMCVCARAFE(PlainUpsampler):
    """mmcv's own ``CARAFEPack``, which runs on CUDA alone.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        up_kernel, up_group, encoder_kernel, encoder_dilation, compressed_channels: As in
            :class:`mmdyup.CARAFE`.

    Raises:
        ImportError: mmcv is missing, or built without operators.
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
    ) -> None:
        super().__init__(in_channels, scale_factor)
        try:
            from mmcv.ops.carafe import CARAFEPack
        except Exception as error:  # a library built for another PyTorch raises more kinds
            raise ImportError(
                "type='carafe' is mmcv's own layer, and mmcv with its operators cannot be imported "
                f"here ({error}); type='CARAFE' has the same weights and needs no mmcv."
            ) from error
        self.layer = CARAFEPack(
            in_channels,
            scale_factor,
            up_kernel,
            up_group,
            encoder_kernel,
            encoder_dilation,
            compressed_channels,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.layer.init_weights()


#: Plain upsamplers by the ``type`` that names them in a config, as in mmcv.
PLAIN = {
    'nearest': Nearest,
    'bilinear': Bilinear,
    'deconv': Deconv,
    'pixel_shuffle': PixelShuffle,
    'carafe': MMCVCARAFE,
}
