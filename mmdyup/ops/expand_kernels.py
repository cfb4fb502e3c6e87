from torch import Tensor

from . import reference
from .backends import choose_backend
from .bilinear import sample_around_cells
from .checks import check_divides, check_map, check_positive_int, check_same_device, check_shape
from .tensors import split_cells


def expand_kernels(
    kernels: Tensor, offsets: Tensor, scale_factor: int = 2, groups: int = 1, backend: str = 'auto'
) -> Tensor:
    """Samples large reassembly kernels from a small kernel space (DLU, section 3.2).

    The kernel of output position (u, v) is the bilinear sample of the small space at column
    ⌊v/s⌋ + o_x and row ⌊u/s⌋ + o_y, clamped at the border, pixel centres at whole numbers.
    Kernels that sum to one still do so afterwards; zero offsets repeat the nearest kernel.

    Args:
        kernels: Small kernel space, (N, groups·k², H, W), float16, bfloat16, float32 or float64.
        offsets: (N, 2·groups, sH, sW), any floating dtype, pairs (x, y) in low-resolution
            pixels, group by group.
        scale_factor: The upsampling ratio s, 1 or more.
        groups: Kernels for each position, G.
        backend: 'auto', 'cpp', 'native', 'reference' or 'triton', as in
            :func:`mmdyup.ops.point_sample`.

    Returns:
        (N, groups·k², sH, sW) in the dtype and memory format of ``kernels``.

    Raises:
        TypeError: An argument is not a floating tensor, or a ratio is not an integer.
        ValueError: Shapes, groups, devices or the backend's name do not fit.
    """
    check_map('kernels', kernels)
    check_positive_int('scale_factor', scale_factor)
    n, c, h, w = kernels.shape
    check_divides('groups', groups, c)
    check_shape(
        'offsets',
        offsets,
        (n, 2 * groups, scale_factor * h, scale_factor * w),
        'a pair (x, y) for each group at the upsampled size',
    )
    check_same_device(kernels, offsets=offsets)
    run = choose_backend('expand_kernels', backend, kernels)
    if run == 'reference':
        return reference.expand_kernels(kernels, offsets, scale_factor, groups)
    return sample_around_cells(kernels, pairs_as_cells(offsets, scale_factor, groups), run)


def pairs_as_cells(offsets: Tensor, scale_factor: int, groups: int) -> Tensor:
    """(N, 2·groups, sH, sW), pairs group by group, as (N, 2, groups, s, s, H, W), a view."""
    pairs = split_cells(offsets, scale_factor).unflatten(1, (groups, 2))
    return pairs.permute(0, 2, 1, 4, 6, 3, 5)
