from torch import Tensor

from .backends import choose_backend
from .carafe import carafe, check_kernels
from .checks import check_positive_int, check_same_device, check_shape
from .expand_kernels import expand_kernels


def expand_and_reassemble(
    x: Tensor,
    kernels: Tensor,
    offsets: Tensor,
    scale_factor: int = 2,
    groups: int = 1,
    backend: str = 'auto',
) -> Tensor:
    """Reassembly by kernels sampled from a small kernel space (DLU, Fu et al., ICPR 2024).

    It is ``carafe(x, expand_kernels(kernels, offsets))``, with what these say about kernels and
    offsets. Triton does both in one pass, and stores the large kernels in the backward pass alone;
    that is not deterministic, and raises under ``torch.use_deterministic_algorithms(True)``.

    Args:
        x: Feature, (N, C, H, W), float16, bfloat16, float32 or float64.
        kernels: Small kernel space, (N, groups·k², H, W), any floating dtype, k odd.
        offsets: (N, 2·groups, sH, sW), any floating dtype, pairs (x, y) in low-resolution
            pixels, group by group.
        scale_factor: The upsampling ratio s, 1 or more.
        groups: Groups of channels that share a kernel, G; divides C.
        backend: 'auto', 'mmcv', 'cpp', 'native', 'reference' or 'triton', as in
            :func:`mmdyup.ops.carafe`.

    Returns:
        (N, C, sH, sW) in the dtype and memory format of ``x``.

    Raises:
        TypeError: An argument is not a floating tensor, or a ratio is not an integer.
        ValueError: Shapes, groups, devices or the backend do not fit.
    """
    kernel_size = check_kernels(x, kernels, groups, 1)
    check_positive_int('scale_factor', scale_factor)
    n, _, h, w = x.shape
    check_shape(
        'offsets',
        offsets,
        (n, 2 * groups, scale_factor * h, scale_factor * w),
        'a pair (x, y) for each group at the upsampled size',
    )
    check_same_device(x, offsets=offsets)
    run = choose_backend('expand_and_reassemble', backend, x)
    if run == 'triton':
        from .triton.expand_and_reassemble import expand_and_reassemble as fused

        return fused(x, kernels, offsets, kernel_size, groups, scale_factor)
    large = expand_kernels(
        kernels, offsets, scale_factor, groups, 'native' if run == 'mmcv' else run
    )
    return carafe(x, large, groups, scale_factor, run)
