"""Attention of every output position over some points of a feature that are its own."""

import torch
from torch import Tensor

from .. import reference
from ..backends import choose_backend, is_exported
from ..checks import check_divides, check_map, check_positive_int, check_same_device, check_shape
from ..fastest import choose_fastest
from ..register import register
from ..tensors import (
    compute_dtype,
    format_of,
    is_channels_last,
    memory_format_of,
    softmax_kernels,
)
from . import native


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    positions: Tensor,
    groups: int = 1,
    heads: int = 1,
    bias: Tensor | None = None,
    backend: str = 'auto',
) -> Tensor:
    """Upsamples by attention over P sampled points (SAPA-D, Liu et al.; LDA-AQU, Du et al.).

    Every output position has P points for each group of channels. Keys and values are sampled
    there, bilinearly and 0 outside of the map; the logit of a point is the query's product with its
    key, plus its bias; the softmax of a head's P logits weighs the values. So a point outside
    has its bias for its logit and keeps its share, and a position that is not a number is outside.
    What was sampled is never in memory for more than one point at a time. On CUDA the backward
    pass is not deterministic, and raises under ``torch.use_deterministic_algorithms(True)``.

    Args:
        query: (N, D, sH, sW), any floating dtype.
        key: (N, D, H, W), any floating dtype.
        value: Feature, (N, C, H, W), float16, bfloat16, float32 or float64.
        positions: (N, 2·groups·P, sH, sW), float32 or float64, in pixels of the feature, whose
            centres stand at whole numbers; pairs (x, y) point by point, group by group. Half
            precision cannot hold them.
        groups: Groups of channels, of the query, key and value alike, that have points of their
            own; divides D and C.
        heads: Softmaxes; each has groups/heads groups, whose products are added.
        bias: (N, heads·P, sH, sW), any floating dtype, added to the logits. None is 0.
        backend: 'auto' (cpp where that can run, else native, or what ``MMDYUP_BACKEND`` names),
            'cpp' (compiled for the CPU), 'native' or 'reference' (plain loops, for checking).

    Returns:
        (N, C, sH, sW) in the dtype and memory format of ``value``.

    Raises:
        TypeError: An argument is not a floating tensor, positions are in half precision, or a
            number is not an integer.
        ValueError: Shapes, groups, heads, devices or the backend's name do not fit.
    """
    check_attention(query, key, value, positions, groups, heads, bias)
    run = choose_backend('attend', backend, value)
    if run == 'fastest':
        maps, sizes = (query, key, value, positions), dict(groups=groups, heads=heads)
        run = choose_fastest('attend', attend, maps, sizes, bias=bias)
    if run == 'reference':
        return reference.attend(query, key, value, positions, groups, heads, bias)
    if is_exported():
        logits = native.compare_plainly(query, key, positions, groups, heads)
        weights = _weights(logits, bias, heads)
        y = native.collect_plainly(value, weights, positions, groups, heads)
        return y.contiguous(memory_format=memory_format_of(value))
    dtype = compute_dtype(query, key, value)
    with torch.no_grad():
        weights = _weigh(query, key, positions, groups, heads, bias, dtype, run)
    maps = query, key, value, positions, bias, weights
    return attend_by(*maps, groups, heads, value.dtype, is_channels_last(value), run)


def point_weights(
    query: Tensor,
    key: Tensor,
    positions: Tensor,
    groups: int = 1,
    heads: int = 1,
    bias: Tensor | None = None,
) -> Tensor:
    """The weights of :func:`attend`, to be looked at: (N, heads·P, sH, sW), float32 at least.

    They are made of native operations. The arguments are those of :func:`attend`.
    """
    dtype = compute_dtype(query, key)
    return _weigh(query, key, positions, groups, heads, bias, dtype, 'native')


def _weigh(
    query: Tensor,
    key: Tensor,
    positions: Tensor,
    groups: int,
    heads: int,
    bias: Tensor | None,
    dtype: torch.dtype,
    run: str,
) -> Tensor:
    # contiguous, as a softmax wants them
    logits = compare(query, key, positions, groups, heads, dtype, False, run)
    return _weights(logits, bias, heads)


def _weights(logits: Tensor, bias: Tensor | None, heads: int) -> Tensor:
    return softmax_kernels(logits if bias is None else logits + bias.to(logits.dtype), heads)


def check_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    positions: Tensor,
    groups: int,
    heads: int,
    bias: Tensor | None,
) -> None:
    """Raises where the arguments of :func:`attend` do not fit each other."""
    check_map('value', value)
    check_map('query', query)
    n, c, h, w = value.shape
    _, d, large_h, large_w = query.shape
    check_divides('groups', groups, c)
    check_divides('groups', groups, d)
    check_positive_int('heads', heads)
    if groups % heads:
        raise ValueError(f'heads={heads} must divide the {groups} groups evenly.')
    check_shape('key', key, (n, d, h, w), 'the channels of query at the size of value')
    check_map('positions', positions)
    if positions.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f'positions must be float32 or float64, but they are {positions.dtype}, which cannot '
            'hold them.'
        )
    if not torch.jit.is_tracing() and (large_h % h or large_w % w or large_h * w != large_w * h):
        raise ValueError(
            f'query must have a whole number of times the size of value, {(h, w)}, but it has '
            f'{(large_h, large_w)}.'
        )
    points = max(1, positions.shape[1] // (2 * groups))
    expected = (n, 2 * groups * points, large_h, large_w)
    check_shape('positions', positions, expected, '2·groups·P channels at the size of query')
    check_shape('query', query, (n, d, large_h, large_w), 'as many images as value')
    if bias is not None:
        expected = (n, heads * points, large_h, large_w)
        check_shape('bias', bias, expected, 'heads·P channels at the size of query')
    check_same_device(value, query=query, key=key, positions=positions, bias=bias)


_SIZES = 'int groups, int heads'
_RESULT = 'ScalarType dtype, bool channels_last, str backend'


def _empty_compare(query, key, positions, groups, heads, dtype, channels_last, backend):
    n, channels, large_h, large_w = positions.shape
    points = channels // (2 * groups)
    return _empty(query, (n, heads * points, large_h, large_w), dtype, channels_last)


def _empty_collect(value, weights, positions, groups, heads, dtype, channels_last, backend):
    shape = (*value.shape[:2], *positions.shape[2:])
    return _empty(value, shape, dtype, channels_last)


def _empty(like: Tensor, shape: tuple, dtype: torch.dtype, channels_last: bool) -> Tensor:
    return torch.empty(
        shape, dtype=dtype, device=like.device, memory_format=format_of(channels_last)
    )


def _empty_attend(query, key, value, positions, bias, weights, *others):
    return _empty_collect(value, weights, positions, *others)


def _empty_collect_backward(value, weights, positions, grad_y, groups, heads, needed, backend):
    return tuple(
        torch.empty_like(z, memory_format=memory_format_of(z)) if is_needed else z.new_empty(0)
        for z, is_needed in zip((value, weights, positions), needed, strict=True)
    )


def _compare_gradient(
    grad, needed, query, key, positions, groups, heads, dtype, channels_last, backend
):
    grad_query = grad_key = grad_positions = None
    if needed[0]:
        last = is_channels_last(query)
        grad_query = collect(key, grad, positions, groups, heads, query.dtype, last, backend)
    if needed[1] or needed[2]:
        grad_key, _, grad_positions = collect_backward(
            key, grad, positions, query, groups, heads, (needed[1], False, needed[2]), backend
        )
    return grad_query, grad_key, grad_positions


def _collect_gradient(
    grad, needed, value, weights, positions, groups, heads, dtype, channels_last, backend
):
    return collect_backward(value, weights, positions, grad, groups, heads, needed[:3], backend)


def _attend_gradient(
    grad, needed, query, key, value, positions, bias, weights, groups, heads, *about
):
    of_query, of_key, of_value, of_positions, of_bias = needed[:5]
    of_logits = of_query or of_key or of_positions or of_bias
    grad_value, grad_weights, grad_positions = _collect_gradient(
        grad, (of_value, of_logits, of_positions), value, weights, positions, groups, heads, *about
    )
    if not of_logits:
        return None, None, grad_value
    grad_logits = torch.ops.aten._softmax_backward_data(
        *(z.unflatten(1, (heads, -1)) for z in (grad_weights, weights)), 2, weights.dtype
    ).flatten(1, 2)
    del grad_weights

    def of_comparison(*needed):
        return _compare_gradient(grad_logits, needed, query, key, positions, groups, heads, *about)

    # before the gradient of the query, which is as large as both gradients of positions
    _, grad_key, of_keys = of_comparison(False, of_key, of_positions)
    if of_positions:
        grad_positions += of_keys
        del of_keys
    grad_query, _, _ = of_comparison(of_query, False, False)
    grad_bias = grad_logits.to(bias.dtype) if of_bias else None
    return grad_query, grad_key, grad_value, grad_positions, grad_bias


def _of_compare(query, key, positions, groups, heads, *_) -> int:
    return _multiply_adds(query.shape[1], positions, groups)


def _of_collect(value, weights, positions, groups, *_) -> int:
    return _multiply_adds(value.shape[1], positions, groups)


def _of_attend(query, key, value, positions, bias, weights, groups, *_) -> int:
    return _multiply_adds(value.shape[1], positions, groups)


def _of_collect_backward(value, weights, positions, grad_y, groups, *_) -> int:
    return 2 * _multiply_adds(value.shape[1], positions, groups)


def _multiply_adds(channels: int, positions: Tensor, groups: int) -> int:
    """A bilinear sample takes four of them for each value, and the product with it one."""
    return 5 * channels * positions.numel() // (2 * groups)


#: Logits, (N, heads·P, sH, sW): the products of queries with the keys that are sampled at the
#: positions, added over a head's channels. All arguments are as :func:`attend` has them; then
#: follow the dtype of the result and whether it is channels-last.
compare = register(
    f'compare(Tensor query, Tensor key, Tensor positions, {_SIZES}, {_RESULT}) -> Tensor',
    'attention',
    _empty_compare,
    _compare_gradient,
    _of_compare,
)
#: The sum over points of the sampled values, (N, C, sH, sW), each times its weight, which a head's
#: channels share.
collect = register(
    f'collect(Tensor value, Tensor weights, Tensor positions, {_SIZES}, {_RESULT}) -> Tensor',
    'attention',
    _empty_collect,
    _collect_gradient,
    _of_collect,
)
#: The same, by weights that were made of query, key and bias, and carry no gradient to these: this
#: operator's own gradient does. Only one operator can add the two gradients of the positions, by
#: values and by keys, before anything else is in memory.
attend_by = register(
    'attend(Tensor query, Tensor key, Tensor value, Tensor positions, Tensor? bias, '
    f'Tensor weights, {_SIZES}, {_RESULT}) -> Tensor',
    'attention',
    _empty_attend,
    _attend_gradient,
    _of_attend,
)
#: The gradients of value, weights and positions, empty where they are not needed. Values, weights
#: and results make one form, which queries, logits and keys share: the gradient of :data:`compare`
#: is made of the same two.
collect_backward = register(
    'collect_backward(Tensor value, Tensor weights, Tensor positions, Tensor grad_y, '
    f'{_SIZES}, bool[3] needed, str backend) -> (Tensor, Tensor, Tensor)',
    'attention',
    _empty_collect_backward,
    'The gradient of a gradient of attention over points (SAPA-D, LDA-AQU) is not implemented; '
    'differentiate once.',
    _of_collect_backward,
)

__all__ = ['attend']
