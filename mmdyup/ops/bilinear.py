import torch
import torch.nn.functional as F
from torch import Tensor

from .backends import is_exported
from .bilinear_cpu import sample_cells
from .tensors import compute_dtype, join_cells, memory_format_of


def sample_around_cells(
    x: Tensor, offsets: Tensor, backend: str, scale: float = 1.0, start: Tensor | None = None
) -> Tensor:
    """Bilinear samples of ``x`` around the low-resolution cell of every output position.

    Place (i, j) of cell (h, w) reads its group's channels at column w + o_x and row h + o_y, where
    o = start + scale · offsets, pixel centres stand at whole numbers, and positions beyond the
    border are clamped to it. Positions and weights are float32 for half-precision features, whose
    own dtype cannot hold them.

    Args:
        x: (N, C, H, W).
        offsets: (N, 2, groups, s, s, H, W), o_x then o_y for every place (i, j), any strides.
        backend: 'cpp', 'native' or 'triton'.
        scale: Of the offsets.
        start: (2, groups, s, s), a constant: it has no gradient.

    Returns:
        (N, C, sH, sW) in the dtype and memory format of ``x``.
    """
    if backend == 'cpp':
        from .cpp.sample_cells import sample_cells as compiled

        return compiled(x, offsets, start, scale)
    if backend == 'triton':
        from .triton.sample_cells import sample_cells as fused

        return fused(x, offsets, None if start is None else start.contiguous(), scale)
    if x.device.type == 'cpu' and not is_exported():
        return sample_cells(x, offsets, start, scale)
    n, c, h, w = x.shape
    groups, s = offsets.shape[2:4]
    dtype = compute_dtype(x)
    if start is not None:
        offsets, scale = torch.add(start.to(dtype)[..., None, None], offsets, alpha=scale), 1.0
    # grid_sample reads a grid whose columns lie side by side as fast as one of pairs
    offsets = join_cells(offsets.permute(0, 2, 1, 5, 3, 6, 4).flatten(0, 1)).to(dtype)
    # sizes are tensors, which a traced graph does not freeze
    size = [torch.full((), length, dtype=dtype, device=x.device) for length in (w, h)]
    step = (2 / torch.stack(size))[:, None, None]
    grid = torch.addcmul(_cell_centres(x, s, dtype) * step - 1, offsets, step, value=scale)
    y = F.grid_sample(
        x.to(dtype).reshape(n * groups, c // groups, h, w),
        grid.movedim(1, -1),
        mode='bilinear',
        padding_mode='border',
        align_corners=False,
    )
    return y.reshape(n, c, s * h, s * w).to(x.dtype, memory_format=memory_format_of(x))


def _cell_centres(x: Tensor, scale_factor: int, dtype: torch.dtype) -> Tensor:
    """(2, sH, sW): the x and the y of every output position's cell, in pixels from the corner."""
    columns, rows = (
        (torch.arange(n * scale_factor, device=x.device) // scale_factor).to(dtype)
        for n in x.shape[:-3:-1]
    )
    return torch.stack(torch.meshgrid(columns, rows, indexing='xy')) + 0.5
