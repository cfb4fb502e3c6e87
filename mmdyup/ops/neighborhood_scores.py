from torch import Tensor

from . import reference
from .backends import choose_backend, is_exported
from .checks import check_map, check_odd, check_positive_int, check_same_device, check_shape
from .scores_blockwise import score_neighborhoods
from .tensors import compute_dtype, memory_format_of
from .windows import score_windows


def neighborhood_scores(
    query: Tensor, key: Tensor, kernel_size: int = 5, scale_factor: int = 2, backend: str = 'auto'
) -> Tensor:
    """Products of every query with the keys around its cell (SAPA, Lu et al., NeurIPS 2022).

    m[a·k + b, u, v] = ⟨Q[u, v], K[⌊u/s⌋ + a − r, ⌊v/s⌋ + b − r]⟩ with r = (k − 1)/2; outside the
    map the key is 0. A softmax makes them kernels for :func:`mmdyup.ops.carafe`, whose gradient
    with respect to its kernels they are.

    Args:
        query: (N, D, sH, sW), float16, bfloat16, float32 or float64.
        key: (N, D, H, W), any floating dtype.
        kernel_size: Size k of the neighbourhood, odd.
        scale_factor: The upsampling ratio s, 1 or more.
        backend: 'auto', 'native' or 'reference' (plain loops, for checking).

    Returns:
        (N, k², sH, sW) in the dtype and memory format of ``query``.

    Raises:
        TypeError: An argument is not a floating tensor, or a size is not an integer.
        ValueError: Shapes, devices or the backend's name do not fit, or the size is even.
    """
    check_map('key', key)
    check_odd('kernel_size', kernel_size)
    check_positive_int('scale_factor', scale_factor)
    n, d, h, w = key.shape
    check_shape(
        'query',
        query,
        (n, d, scale_factor * h, scale_factor * w),
        'the channels of the key at the upsampled size',
    )
    check_same_device(key, query=query)
    if choose_backend('neighborhood_scores', backend, key) == 'reference':
        return reference.neighborhood_scores(query, key, kernel_size, scale_factor)
    if not is_exported():
        return score_neighborhoods(query, key, kernel_size, scale_factor)
    dtype = compute_dtype(query, key)
    scores = score_windows(query.to(dtype), key.to(dtype), kernel_size, scale_factor)
    return scores.to(query.dtype, memory_format=memory_format_of(query))
