"""Reassembly as products of tiles of cells, for the runtimes of exported graphs."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tensors import compute_dtype

# cells that a tile is wide and high: the pixels of a tile overlap those of its neighbours by
# k − 1, and of their products with its places only k² in (TILE + k − 1)² are not 0
TILE = 4


def multiply_tiles(
    x: Tensor, kernels: Tensor, k: int, groups: int, s: int, softmax: bool
) -> Tensor:
    """:func:`mmdyup.ops.carafe` as one product for each tile of cells, places by pixels.

    A tile's weights hold 0 where a pixel is not a tap of a place, so a value that is not a number
    spreads over its tile. No size is frozen, and rows of channels are only gathered, which
    runtimes do faster than they transpose.

    Args:
        x: Feature, (N, C, H, W).
        kernels: (N, groups·k², sH, sW).
        k: Kernel size, odd.
        groups: Groups of channels that share a kernel.
        s: The upsampling ratio.
        softmax: Whether ``kernels`` are logits.

    Returns:
        (N, C, sH, sW) in the dtype of ``x``.
    """
    n, c, h, w = x.shape
    dtype = compute_dtype(x, kernels)
    # cells that fill the tiles, beyond the map
    below, right = (-h) % TILE, (-w) % TILE
    tiles = (h + below) // TILE, (w + right) // TILE
    windows = _windows(x.to(dtype).reshape(n * groups, c // groups, h, w), k, below, right, tiles)
    kernels = kernels.to(dtype).reshape(n * groups, k * k, s * h, s * w)
    kernels = F.pad(kernels, (0, s * right, 0, s * below))
    y = _weights(kernels, k, s, tiles, softmax) @ windows
    y = y.flatten(1, 2)[:, _places(s, h, w, tiles[1], x.device)]
    return y.transpose(1, 2).reshape(n, c, s * h, s * w).to(x.dtype)


def _windows(x: Tensor, k: int, below: int, right: int, tiles: tuple[int, int]) -> Tensor:
    """The pixels that a tile's cells meet, (N, tiles, (TILE + k − 1)², C)."""
    r, u = k // 2, TILE + k - 1
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, r, r + right, r, r + below))
    rows, columns = (
        (torch.arange(m, device=x.device) * TILE)[:, None] + torch.arange(u, device=x.device)
        for m in tiles
    )
    pixels = rows[:, None, :, None] * padded.shape[2] + columns[None, :, None, :]
    return padded.flatten(1, 2)[:, pixels.flatten()].unflatten(1, (-1, u * u))


def _weights(kernels: Tensor, k: int, s: int, tiles: tuple[int, int], softmax: bool) -> Tensor:
    """What a tile's places take of its pixels, (N, tiles, (s·TILE)², (TILE + k − 1)²)."""
    side = s * TILE
    taps = kernels.reshape(-1, k * k, tiles[0], side, tiles[1], side).permute(0, 2, 4, 3, 5, 1)
    # one tap more, which weighs nothing
    taps = F.pad(taps.flatten(1, 2).flatten(2, 3), (0, 1), value=-torch.inf if softmax else 0.0)
    if softmax:
        taps = taps.softmax(-1)
    cell = torch.arange(side, device=kernels.device)[:, None] // s
    tap = torch.arange(TILE + k - 1, device=kernels.device) - cell
    row, column = tap[:, None, :, None], tap[None, :, None, :]
    met = (row >= 0) & (row < k) & (column >= 0) & (column < k)
    taps_of_pixels = torch.where(met, row * k + column, k * k).flatten(0, 1).flatten(1)
    first = torch.arange(side**2, device=kernels.device)[:, None] * (k * k + 1)
    weights = taps.flatten(2)[:, :, (first + taps_of_pixels).flatten()]
    return weights.unflatten(2, (side**2, -1))


def _places(s: int, h: int, w: int, tiles: int, device: torch.device) -> Tensor:
    """Where each output position, line after line, stands among the places of all tiles."""
    side = s * TILE
    line = torch.arange(s * h, device=device)[:, None]
    column = torch.arange(s * w, device=device)
    tile = line // side * tiles + column // side
    return (tile * side**2 + line % side * side + column % side).flatten()
