"""Reassembly and neighbourhood scores as products with k² copies of the small map.

Plain operations, for graphs that cannot hold an operator of ours; counters of operations know
them, and they count k² multiply-adds for each channel of each position, no more.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .tensors import join_cells, split_cells


def reassemble_windows(x: Tensor, kernels: Tensor, k: int, s: int) -> Tensor:
    """(N, C, H, W) and (N, k², sH, sW), of one dtype, to (N, C, sH, sW)."""
    return _multiply(kernels, _windows(x, k), s)


def score_windows(query: Tensor, key: Tensor, k: int, s: int) -> Tensor:
    """(N, D, sH, sW) and (N, D, H, W), of one dtype, to (N, k², sH, sW)."""
    return _multiply(query, _windows(key, k).transpose(3, 4), s)


def _windows(x: Tensor, k: int) -> Tensor:
    """Every pixel's neighbourhood, (N, H, W, k², C), zero outside the map."""
    h, w = x.shape[2:]
    r = k // 2
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, r, r, r, r))
    return torch.stack([padded[:, a : a + h, b : b + w] for a in range(k) for b in range(k)], 3)


def _multiply(large: Tensor, windows: Tensor, s: int) -> Tensor:
    """The s² places of every cell, (…, s², A), times its window, (…, A, B): (N, B, sH, sW)."""
    places = split_cells(large, s).permute(0, 2, 4, 3, 5, 1).flatten(3, 4)
    return join_cells((places @ windows).unflatten(3, (s, s)).permute(0, 5, 1, 3, 2, 4))
