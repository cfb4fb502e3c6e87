"""Attention over points by PyTorch's grid_sample, a point at a time, for every device."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tensors import compute_dtype, without_autocast

_BILINEAR, _ZEROS = 0, 0


@without_autocast
def compare(
    query: Tensor, key: Tensor, positions: Tensor, groups: int, heads: int, logits: Tensor
) -> None:
    """See :data:`mmdyup.ops.attention.compare`."""
    queries = query.to(compute_dtype(query, key))
    keys, to = _split(key.to(queries.dtype), groups), logits.unflatten(1, (heads, -1))
    for n, grid in enumerate(_grids(keys, positions, groups)):
        samples = _sample(keys, grid).reshape(query.shape)
        to[:, :, n] = samples.mul_(queries).unflatten(1, (heads, -1)).sum(2)


@without_autocast
def collect(
    value: Tensor, weights: Tensor, positions: Tensor, groups: int, heads: int, y: Tensor
) -> None:
    """See :data:`mmdyup.ops.attention.collect`."""
    dtype = compute_dtype(value, weights)
    values, of_points = _split(value.to(dtype), groups), _weights_of_points(weights, heads, dtype)
    room = y if y.dtype is dtype else torch.empty_like(y, dtype=dtype)
    sums = room.zero_().unflatten(1, (heads, -1))
    for grid, of_point in zip(_grids(values, positions, groups), of_points, strict=True):
        samples = _sample(values, grid).reshape(y.shape)
        sums.addcmul_(samples.unflatten(1, (heads, -1)), of_point)
    if room is not y:
        y.copy_(room)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    positions: Tensor,
    bias: Tensor | None,
    weights: Tensor,
    groups: int,
    heads: int,
    y: Tensor,
) -> None:
    """See :data:`mmdyup.ops.attention.attend_by`."""
    collect(value, weights, positions, groups, heads, y)


@without_autocast
def collect_backward(
    value: Tensor,
    weights: Tensor,
    positions: Tensor,
    grad_y: Tensor,
    groups: int,
    heads: int,
    needed: list[bool],
    grad_value: Tensor,
    grad_weights: Tensor,
    grad_positions: Tensor,
) -> None:
    """See :data:`mmdyup.ops.attention.collect_backward`."""
    dtype = compute_dtype(value, weights)
    values, of_points = _split(value.to(dtype), groups), _weights_of_points(weights, heads, dtype)
    grads = grad_y.to(dtype).unflatten(1, (heads, -1))
    of_value, of_weights, of_positions = needed
    if of_weights:
        to_weights = grad_weights.unflatten(1, (heads, -1))
        for n, grid in enumerate(_grids(values, positions, groups)):
            to_weights[:, :, n] = _sample(values, grid).reshape(grads.shape).mul_(grads).sum(2)
    if not (of_value or of_positions):
        return
    h, w = value.shape[2:]
    sums, pixel = torch.zeros_like(values), grads.new_tensor((2 / w, 2 / h))
    samples = torch.empty_like(grads)
    for n, grid in enumerate(_grids(values, positions, groups)):
        torch.mul(grads, of_points[n], out=samples)
        grad_values, grad_grid = torch.ops.aten.grid_sampler_2d_backward(
            _split(samples.flatten(1, 2), groups),
            values,
            grid,
            _BILINEAR,
            _ZEROS,
            False,
            [of_value, True],
        )
        if of_value:
            sums += grad_values
        if of_positions:
            pairs = (grad_grid * pixel).unflatten(0, (-1, groups)).movedim(-1, 2)
            grad_positions.unflatten(1, (groups, -1, 2))[:, :, n] = pairs
    if of_value:
        grad_value.copy_(sums.reshape(value.shape))


def compare_plainly(
    query: Tensor, key: Tensor, positions: Tensor, groups: int, heads: int
) -> Tensor:
    """:func:`compare` for a graph that leaves Python: no size is frozen."""
    dtype = compute_dtype(query, key)
    products = [
        (samples * query.to(dtype)).chunk(heads, 1)
        for samples in _samples_plainly(key.to(dtype), positions, groups)
    ]
    of_heads = (part.sum(1, keepdim=True) for head in zip(*products, strict=True) for part in head)
    return torch.cat(list(of_heads), 1)


def collect_plainly(
    value: Tensor, weights: Tensor, positions: Tensor, groups: int, heads: int
) -> Tensor:
    """:func:`collect` likewise."""
    dtype = compute_dtype(value, weights)
    of_heads = [head.split(1, 1) for head in weights.to(dtype).chunk(heads, 1)]
    y = sum(
        torch.cat([a * b for a, b in zip(samples.chunk(heads, 1), shares, strict=True)], 1)
        for samples, *shares in zip(
            _samples_plainly(value.to(dtype), positions, groups), *of_heads, strict=True
        )
    )
    return y.to(value.dtype)


def _samples_plainly(maps: Tensor, positions: Tensor, groups: int) -> Iterator[Tensor]:
    """Those of each point, (N, C, sH, sW)."""
    (n, c), (large_h, large_w) = maps.shape[:2], positions.shape[2:]
    values = _split(maps, groups)
    for grid in _grids(values, positions, groups):
        yield _sample(values, grid).reshape(n, c, large_h, large_w)


def _grids(values: Tensor, positions: Tensor, groups: int) -> Iterator[Tensor]:
    """Each point's positions as grid_sample has them, (N·groups, sH, sW, 2)."""
    # sizes are tensors, which a traced graph does not freeze
    size = [
        torch.full((), length, dtype=values.dtype, device=values.device)
        for length in values.shape[:1:-1]
    ]
    size = torch.stack(size)[:, None, None]
    pairs = positions.unflatten(1, (groups, -1, 2))
    for n in range(pairs.shape[2]):
        # what is not a number or far away is outside, but grid_sample may not be given it
        pair = pairs[:, :, n].flatten(0, 1).to(values.dtype).nan_to_num(nan=-2)
        pair = torch.minimum(pair.clamp(min=-2), size + 1)
        yield ((2 * pair + 1) / size - 1).movedim(1, -1)


def _sample(values: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(values, grid, mode='bilinear', padding_mode='zeros', align_corners=False)


def _split(maps: Tensor, groups: int) -> Tensor:
    """(N, C, H, W) to (N·groups, C/groups, H, W)."""
    n, c, h, w = maps.shape
    return maps.reshape(n * groups, c // groups, h, w)


def _weights_of_points(weights: Tensor, heads: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """(N, heads, 1, sH, sW) for each point, as views."""
    return weights.to(dtype).unflatten(1, (heads, 1, -1)).unbind(3)
