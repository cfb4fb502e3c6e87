from torch import Tensor

from . import reference
from .backends import choose_backend
from .bilinear import sample_around_cells
from .checks import (
    check_divides,
    check_map,
    check_number,
    check_positive_int,
    check_same_device,
    check_shape,
)


def point_sample(
    x: Tensor,
    offsets: Tensor,
    scale_factor: int = 2,
    groups: int = 1,
    backend: str = 'auto',
    scale: float = 1.0,
    start: Tensor | None = None,
) -> Tensor:
    """Upsamples by one bilinear sample for every output position (DySample, section 3.1).

    The s² output positions of low-resolution cell (h, w) read each group's channels at the
    cell's centre plus ``start + scale · offsets``; beyond the border the border is read, and what
    is not a number reads the first column or row. At the bilinear start this is
    ``F.interpolate(mode='bilinear', align_corners=False)``. On CUDA the backward pass is not
    deterministic, and raises under ``torch.use_deterministic_algorithms(True)``.

    Args:
        x: Feature, (N, C, H, W), float16, bfloat16, float32 or float64.
        offsets: (N, 2·groups·s², H, W), any floating dtype, in low-resolution pixels. Channels
            are ordered by coordinate (x along the width, then y), group, place i·s + j in the
            cell.
        scale_factor: The upsampling ratio s, 1 or more.
        groups: Groups of channels that share their offsets; divides C.
        backend: 'auto' (cpp where that can run, else native, or what ``MMDYUP_BACKEND`` names),
            'cpp' (compiled for the CPU), 'native', 'reference' (plain loops, for checking), or
            'triton' (CUDA, no grid in memory).
        scale: What the offsets are multiplied by.
        start: (1, 2·groups·s², 1, 1), any floating dtype, in low-resolution pixels, added to every
            cell's scaled offsets; a constant, without a gradient. None is 0.

    Returns:
        (N, C, sH, sW) in the dtype and memory format of ``x``.

    Raises:
        TypeError: An argument is not a floating tensor, a ratio is not an integer, or the scale
            not a number.
        ValueError: Shapes, groups, devices or the backend's name do not fit.
    """
    check_map('x', x)
    check_positive_int('scale_factor', scale_factor)
    n, c, h, w = x.shape
    check_divides('groups', groups, c)
    check_shape(
        'offsets',
        offsets,
        (n, 2 * groups * scale_factor**2, h, w),
        '2 coordinates · groups · scale_factor² channels at the size of x',
    )
    check_same_device(x, offsets=offsets)
    check_number('scale', scale)
    places = (2, groups, scale_factor, scale_factor)
    if start is not None:
        check_shape('start', start, (1, offsets.shape[1], 1, 1), 'as the channels of offsets')
        check_same_device(x, start=start)
        start = start.detach().reshape(places)
    run = choose_backend('point_sample', backend, x)
    offsets = offsets.unflatten(1, places)
    if run == 'reference':
        return reference.point_sample(x, offsets, scale, start)
    return sample_around_cells(x, offsets, run, scale, start)
