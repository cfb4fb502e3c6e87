"""DLU's two steps as one operator."""

from torch import Tensor

from . import reference
from .backends import choose_backend
from .checks import check_positive_int
from .fastest import choose_fastest
from .reassembly import check_kernels, run_carafe
from .reassembly.contractions import scores, spread
from .register import register
from .sampling import check_pairs, pairs_as_cells, run_sample, sample, sample_backward
from .tensors import compute_dtype, empty_upsampled, is_channels_last


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
        RuntimeError: ``backend='triton'``, and Triton cannot compile the kernel here.
    """
    k = check_kernels(x, kernels, groups, 1)
    check_positive_int('scale_factor', scale_factor)
    check_pairs(x, offsets, scale_factor, groups)
    run = choose_backend('expand_and_reassemble', backend, x)
    if run == 'fastest':
        maps, sizes = (x, kernels, offsets), dict(scale_factor=scale_factor, groups=groups)
        run = choose_fastest('expand_and_reassemble', expand_and_reassemble, maps, sizes)
    if run.startswith('triton'):
        return _expand_and_reassemble(x, kernels, offsets, k, groups, scale_factor, run)
    if run == 'reference':
        large = reference.expand_kernels(kernels, offsets, scale_factor, groups)
    else:
        cells = pairs_as_cells(offsets, scale_factor, groups)
        large = run_sample(kernels, cells, None, 1.0, 'native' if run == 'mmcv' else run)
    return run_carafe(x, large, k, groups, scale_factor, run, False)


def _empty(x, kernels, offsets, kernel_size, groups, scale_factor, backend):
    return empty_upsampled(x, scale_factor)


def _gradient(grad, needed, x, kernels, offsets, k, groups, s, backend):
    # contiguous, few as its channels are; not rounded, as in the forward pass
    small = kernels.to(compute_dtype(x, kernels)).contiguous()
    cells = pairs_as_cells(offsets, s, groups)
    large = sample(small, cells, None, 1.0, False, backend)
    grad_x = grad_kernels = grad_offsets = None
    if needed[0]:
        grad_x = spread(large, grad, k, groups, s, x.dtype, is_channels_last(x), backend)
    if needed[1] or needed[2]:
        grad_large = scores(x, grad, k, groups, s, large.dtype, False, backend)
        grad_kernels, grad_cells = sample_backward(
            small, grad_large, cells, None, 1.0, needed[1:3], backend
        )
        grad_kernels = grad_kernels.to(kernels.dtype)
        if needed[2]:
            grad_offsets = grad_cells.permute(0, 2, 1, 5, 3, 6, 4).reshape(offsets.shape)
    return grad_x, grad_kernels, grad_offsets


def _multiply_adds(x, kernels, offsets, kernel_size, groups, scale_factor, backend) -> int:
    return (x.numel() + 4 * len(x) * groups * x[0, 0].numel()) * (kernel_size * scale_factor) ** 2


_expand_and_reassemble = register(
    'expand_and_reassemble(Tensor x, Tensor kernels, Tensor offsets, int kernel_size, int groups, '
    'int scale_factor, str backend) -> Tensor',
    'reassembly',
    _empty,
    _gradient,
    _multiply_adds,
)
