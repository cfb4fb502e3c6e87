"""Attention over points by compiled code for the CPU."""

import functools
from math import ceil

import torch
from torch import Tensor

from ..csrc.library import (
    BLOCK,
    Attention,
    call,
    count_threads,
    divide_channels,
    hand_over,
    prepare,
)
from ..tensors import compute_dtype, memory_format_of

# Of the longest vectors that there may be.
_VECTOR_BYTES = 32
# Fewer values of y take no longer than threads take to begin.
_LITTLE = 1 << 14


def compare(
    query: Tensor, key: Tensor, positions: Tensor, groups: int, heads: int, logits: Tensor
) -> None:
    """See :data:`mmdyup.ops.attention.compare`."""
    dtype = compute_dtype(query, key)
    query, key, positions, room = prepare(dtype, query, key, positions, to=logits)
    size = _size(key, query, positions, room, groups, heads, BLOCK)
    call('compare', size, query, key, positions, _tables_of_all(key, size), room)
    hand_over(room, logits)


def collect(
    value: Tensor, weights: Tensor, positions: Tensor, groups: int, heads: int, y: Tensor
) -> None:
    """See :data:`mmdyup.ops.attention.collect`."""
    dtype = compute_dtype(value, weights)
    value, weights, positions, room = prepare(dtype, value, weights, positions, to=y)
    size = _size(value, room, positions, weights, groups, heads, BLOCK)
    call('collect', size, value, weights, positions, _tables_of_all(value, size), room)
    hand_over(room, y)


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
    value, weights, positions, grad_y, room = prepare(
        dtype, value, weights, positions, grad_y, to=grad_value
    )
    threads = count_threads(grad_y.numel(), _LITTLE)
    block, blocks = divide_channels(*value.shape[:2], groups, threads)
    size = _size(value, grad_y, positions, weights, groups, heads, block)
    of_weights = _shares(grad_weights, dtype, blocks * groups // heads)
    of_positions = _shares(grad_positions, dtype, blocks)
    # a thread has two for each block of its part
    parts = min(threads, blocks * groups) if size.y_channels_last else blocks * groups
    tables = _tables(value, size, 2 * threads * ceil(blocks * groups / parts))
    given = value, weights, positions, grad_y, tables
    call('collect_backward', size, *given, room, of_weights, of_positions)
    hand_over(room, grad_value)
    for shares, result in ((of_weights, grad_weights), (of_positions, grad_positions)):
        if shares is not result:
            torch.sum(shares.unflatten(0, (-1, len(result))), 0, out=result)


def _tables_of_all(x: Tensor, size: Attention) -> Tensor:
    """Room for the blocks of ``x``."""
    of_group = size.channels // size.groups
    return _tables(x, size, size.images * size.groups * ceil(of_group / size.block))


def _tables(x: Tensor, size: Attention, count: int) -> Tensor:
    """Room for blocks, with zeros around the map, in whole vectors of channels."""
    block = min(size.block, size.channels // size.groups)
    lanes = _VECTOR_BYTES // x.element_size()
    step = ceil(block / lanes) * lanes
    return x.new_empty(count * ((size.height + 4) * (size.width + 2) + 2) * step)


def _shares(result: Tensor, dtype: torch.dtype, count: int) -> Tensor:
    """``result``, or room for so many shares of it, one after the other; empty is not needed."""
    if not result.numel() or count == 1 and result.dtype is dtype:
        return result
    n, *sizes = result.shape
    return torch.empty((count * n, *sizes), dtype=dtype, memory_format=memory_format_of(result))


def _size(
    x: Tensor,
    y: Tensor,
    positions: Tensor,
    weights: Tensor,
    groups: int,
    heads: int,
    block: int,
) -> Attention:
    return _known_size(
        x.shape,
        groups,
        y.shape[2] // x.shape[2],
        block,
        not x.is_contiguous(),
        not y.is_contiguous(),
        count_threads(y.numel(), _LITTLE),
        weights.shape[1] // heads,
        heads,
        not positions.is_contiguous(),
        not weights.is_contiguous(),
    )


# filling a struct takes longer than finding it
@functools.lru_cache(maxsize=1024)
def _known_size(shape: tuple[int, ...], *others: int) -> Attention:
    return Attention(*shape, *others)
