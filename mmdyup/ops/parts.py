"""Blockwise work on one image's group of channels, (channels, rows, columns).

What the functions share: ``x`` is the small map, (C, H, W); ``large`` one of as many channels at
the upsampled size, (C, sH, sW); ``kernels`` are (k², sH, sW). Results are written into maps that
are given, whatever their strides. k is the kernel size, s the ratio, ``dtype`` what to compute in.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .blocks import blocks, pad_channels_last


def each_part(groups: int, *maps: Tensor) -> Iterator[list[Tensor]]:
    """One image and one group of each map (N, groups·channels, rows, columns), as views."""
    for image in range(maps[0].shape[0]):
        for group in range(groups):
            yield [part[image].chunk(groups)[group] for part in maps]


def reassemble_part(
    x: Tensor, kernels: Tensor, large: Tensor, k: int, s: int, dtype: torch.dtype
) -> None:
    """Reassembles ``x`` into ``large``."""
    padded = pad_channels_last(x, k, dtype)
    for block in blocks(x.shape, k, s, padded.element_size()):
        block.scatter(block.reassemble(padded, block.gather(kernels, dtype)), large)


def reassemble_part_backward(
    x: Tensor,
    kernels: Tensor,
    grad_large: Tensor,
    grad_x: Tensor,
    grad_kernels: Tensor,
    k: int,
    s: int,
    dtype: torch.dtype,
) -> None:
    """The gradients of :func:`reassemble_part`."""
    padded = pad_channels_last(x, k, dtype)
    grad_padded = torch.zeros_like(padded)
    for block in blocks(x.shape, k, s, padded.element_size()):
        m, grad = block.gather(kernels, dtype), block.gather(grad_large, dtype)
        block.scatter(block.score(padded, grad), grad_kernels)
        block.spread(grad_padded, m, grad)
    _crop(grad_padded, k, grad_x)


def score_part(
    x: Tensor, large: Tensor, kernels: Tensor, k: int, s: int, dtype: torch.dtype
) -> None:
    """Writes the products of ``large`` with the neighbourhoods of ``x`` into ``kernels``."""
    padded = pad_channels_last(x, k, dtype)
    for block in blocks(x.shape, k, s, padded.element_size()):
        block.scatter(block.score(padded, block.gather(large, dtype)), kernels)


def score_part_backward(
    x: Tensor,
    large: Tensor,
    grad_kernels: Tensor,
    grad_x: Tensor,
    grad_large: Tensor,
    k: int,
    s: int,
    dtype: torch.dtype,
) -> None:
    """The gradients of :func:`score_part`."""
    padded = pad_channels_last(x, k, dtype)
    grad_padded = torch.zeros_like(padded)
    for block in blocks(x.shape, k, s, padded.element_size()):
        grad = block.gather(grad_kernels, dtype)
        block.scatter(block.reassemble(padded, grad), grad_large)
        block.spread(grad_padded, grad, block.gather(large, dtype))
    _crop(grad_padded, k, grad_x)


def _crop(padded: Tensor, k: int, x: Tensor) -> None:
    r, (_, h, w) = k // 2, x.shape
    x.copy_(padded[r : r + h, r : r + w].permute(2, 0, 1))
