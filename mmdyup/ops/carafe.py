from torch import Tensor

from . import reference
from .backends import choose_backend
from .carafe_mmcv import carafe_mmcv
from .carafe_native import carafe_native
from .checks import (
    check_divides,
    check_map,
    check_positive_int,
    check_same_device,
    check_shape,
)
from .tensors import memory_format_of, softmax_kernels


def _carafe_cpp(*args) -> Tensor:
    from .cpp.reassemble import reassemble

    return reassemble(*args)


_IMPLEMENTATIONS = {
    'mmcv': carafe_mmcv,
    'cpp': _carafe_cpp,
    'native': carafe_native,
    'reference': reference.carafe,
}


def carafe(
    x: Tensor,
    kernels: Tensor,
    groups: int = 1,
    scale_factor: int = 2,
    backend: str = 'auto',
    softmax: bool = False,
) -> Tensor:
    """Content-aware reassembly (CARAFE, Wang et al., ICCV 2019, equation 4).

    Every output position is the sum of the k×k low-resolution neighbourhood of its cell,
    weighted by the position's own kernel; outside the map the feature is 0. CARAFE, DLU, FADE
    and SAPA differ only in how they make the kernels.

    Args:
        x: Feature, (N, C, H, W), float16, bfloat16, float32 or float64.
        kernels: (N, groups·k², sH, sW), any floating dtype, k odd; k is read off the channels.
        groups: Groups of channels that share a kernel, G; divides C.
        scale_factor: The upsampling ratio s, 1 or more.
        backend: 'auto' (mmcv's compiled operator on CUDA, cpp on the CPU, else native, or what
            ``MMDYUP_BACKEND`` names), 'mmcv', 'cpp' (compiled for the CPU), 'native', 'reference'
            (plain loops, for checking), or 'triton' (CUDA).
        softmax: Whether ``kernels`` are logits, and their softmax over a group's k² the kernels;
            Triton then never stores these in the forward pass.

    Returns:
        (N, C, sH, sW) in the dtype and memory format of ``x``.

    Raises:
        TypeError: An argument is not a floating tensor, or a ratio is not an integer.
        ValueError: Shapes, groups, devices or the backend do not fit.
    """
    kernel_size = check_kernels(x, kernels, groups, scale_factor)
    run = choose_backend('carafe', backend, x)
    if run == 'triton':
        from .triton.carafe import carafe as fused

        return fused(x, kernels, kernel_size, groups, scale_factor, softmax)
    if softmax:
        kernels = softmax_kernels(kernels, groups)
    y = _IMPLEMENTATIONS[run](x, kernels, kernel_size, groups, scale_factor)
    return y.to(memory_format=memory_format_of(x))


def check_kernels(x: Tensor, kernels: Tensor, groups: int, scale_factor: int) -> int:
    """The kernel size k of ``kernels``, (N, groups·k², sH, sW) with an odd k, for ``x``.

    Raises:
        TypeError: An argument is not a floating tensor, or a ratio is not an integer.
        ValueError: Shapes, groups or devices do not fit.
    """
    check_map('x', x)
    check_map('kernels', kernels)
    check_positive_int('scale_factor', scale_factor)
    check_divides('groups', groups, x.shape[1])
    check_same_device(x, kernels=kernels)
    n, _, h, w = x.shape
    channels = int(kernels.shape[1])
    kernel_size = 1
    while groups * kernel_size**2 < channels:
        kernel_size += 2
    if groups * kernel_size**2 != channels:
        raise ValueError(
            f'kernels must have groups·k² channels with an odd k, but {channels} is '
            f'not {groups} times an odd square.'
        )
    expected = (n, channels, scale_factor * h, scale_factor * w)
    check_shape(
        'kernels',
        kernels,
        expected,
        f'a kernel for every position at {scale_factor} times the size of x',
    )
    return kernel_size
