"""Means and variances of groups of channels, by compiled code for the CPU."""

import math

import torch
from torch import Tensor

from .csrc.library import Map, call, count_threads
from .tensors import is_channels_last

# Fewer values take no longer than threads take to begin.
_LITTLE = 1 << 16
# Values that lie side by side and fill whole vectors.
_SIDE_BY_SIDE = 64


def group_moments(x: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """The mean and the variance of every group of channels, over it and all positions.

    Args:
        x: (N, C, H, W), float32 or float64, contiguous or in channels-last; N is not 0.
        groups: Groups of channels; divides C.

    Returns:
        Two of (N, groups), float64, without gradients. The variance is that of all values there
        are, divided by their number.
    """
    n, c, h, w = x.shape
    values = c // groups * h * w
    if is_channels_last(x):
        sizes = n, c, h, w, groups
    else:  # a group's values are one row, which may be divided into pixels at will
        channels = math.gcd(values, _SIDE_BY_SIDE)
        sizes = n * groups, channels, 1, values // channels, 1
    images, _, rows, _, parts = sizes
    sums = torch.empty(images, rows, 2, parts, dtype=torch.float64)
    threads = count_threads(x.numel(), _LITTLE)
    call('moments', Map(*sizes, 1, 1, 1, 1, threads), x, sums)
    mean, square = (sums.sum(1) / values).unbind(1)
    variance = (square - mean.square()).clamp(min=0)
    return mean.reshape(n, groups), variance.reshape(n, groups)
