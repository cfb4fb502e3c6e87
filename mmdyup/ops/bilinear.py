import torch
import torch.nn.functional as F
from torch import Tensor

from .dtypes import compute_dtype


def sample_around_cells(x: Tensor, offsets: Tensor, scale_factor: int) -> Tensor:
    """Bilinear samples of ``x`` around the low-resolution cell of every output position.

    Output position (u, v) reads ``x`` at column ⌊v/s⌋ + o_x and row ⌊u/s⌋ + o_y, where pixel
    centres stand at whole numbers and positions beyond the border are clamped to it. Positions
    and weights are float32 for half-precision features, whose own dtype cannot hold them.

    Args:
        x: (N, C, H, W).
        offsets: (N, 2, sH, sW), o_x then o_y, in low-resolution pixels.
        scale_factor: s.

    Returns:
        (N, C, sH, sW) in the dtype that was computed in: float32 at least.
    """
    dtype = compute_dtype(x)
    size = [torch.full((), n, dtype=dtype, device=x.device) for n in x.shape[:-3:-1]]
    step = (2 / torch.stack(size))[:, None, None]
    # grid_sample reads a grid whose columns lie side by side as fast as one of pairs
    grid = torch.addcmul(_cell_centres(x, scale_factor, dtype) * step - 1, offsets.to(dtype), step)
    return F.grid_sample(x.to(dtype), grid.movedim(1, -1), mode='bilinear', padding_mode='border',
                         align_corners=False)


def _cell_centres(x: Tensor, scale_factor: int, dtype: torch.dtype) -> Tensor:
    """(2, sH, sW): the x and the y of every output position's cell, in pixels from the corner."""
    columns, rows = ((torch.arange(n * scale_factor, device=x.device) // scale_factor).to(dtype)
                     for n in x.shape[:-3:-1])
    return torch.stack(torch.meshgrid(columns, rows, indexing='xy')) + 0.5
