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
    height, width = x.shape[-2:]
    columns = _cell_centres(width, scale_factor, dtype, x.device)
    rows = _cell_centres(height, scale_factor, dtype, x.device)[:, None]
    offset_x, offset_y = offsets.to(dtype).unbind(1)
    grid = torch.stack(((offset_x + columns) * (2 / width) - 1,
                        (offset_y + rows) * (2 / height) - 1), dim=-1)
    return F.grid_sample(x.to(dtype), grid, mode='bilinear', padding_mode='border',
                         align_corners=False)


def _cell_centres(size, scale_factor: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    cells = torch.arange(size * scale_factor, device=device) // scale_factor
    return cells.to(dtype) + 0.5
