import torch.nn.functional as F
from torch import Tensor

from .base import Upsampler


def upsample_to(upsampler: Upsampler, x: Tensor, fine: Tensor) -> Tensor:
    """Upsamples ``x`` to the size of the finer level.

    A result that is larger, as where a level's size was rounded up on its way down, is cropped;
    one that is smaller is stretched to the nearest pixel. At 2× a nearest upsampler thus gives
    exactly ``F.interpolate(x, size=fine.shape[-2:])``, whichever way the size was rounded. An
    upsampler that is guided sees the finer level at s times the size of ``x``: cropped, or with
    its last row and column repeated.

    Args:
        upsampler: The module, its ratio s.
        x: The coarse level, (N, C, H, W).
        fine: The finer level, (N, C', H', W'), less than s rows and columns from s times x.

    Returns:
        (N, C, H', W').

    Raises:
        ValueError: The levels are not s times apart.
    """
    s = upsampler.scale_factor
    size = fine.shape[-2:]
    if any(abs(s * a - b) >= s for a, b in zip(x.shape[-2:], size, strict=True)):
        raise ValueError(
            f'The levels {tuple(x.shape[-2:])} and {tuple(size)} are not {s} times '
            'apart; choose backbone outputs whose strides are.'
        )
    y = upsampler(x, _guide(fine, x, s) if upsampler.guided else None)
    if y.shape[-2] >= size[0] and y.shape[-1] >= size[1]:
        return y[..., : size[0], : size[1]]
    return F.interpolate(y, size=size, mode='nearest')


def _guide(fine: Tensor, x: Tensor, s: int) -> Tensor:
    h, w = (s * n for n in x.shape[-2:])
    fine = fine[..., :h, :w]
    return F.pad(fine, (0, w - fine.shape[-1], 0, h - fine.shape[-2]), mode='replicate')
