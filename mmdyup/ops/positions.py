import torch
from torch import Tensor


def write_positions(out: Tensor, offsets: Tensor, start: Tensor | None, scale: float,
                    normalize: bool = False) -> None:
    """Where every place of every cell is sampled: cell + start + scale · offsets, in pixels.

    Args:
        out: (N, 2, groups, s, s, H, W), any strides and floating dtype; is filled, with x then y.
        offsets: As ``out``.
        start: (2, groups, s, s).
        scale: Of the offsets.
        normalize: Makes it grid_sample's coordinates, −1 and 1 at the map's outer edges.
    """
    for axis, unit in enumerate(units(out, normalize)):
        cells = torch.arange(out.shape[-1 - axis], dtype=out.dtype, device=out.device)
        if start is not None:
            cells = cells + start[axis, ..., None].to(out.dtype)
        if normalize:
            cells = (cells + 0.5) * unit - 1
        torch.add(cells.unsqueeze(-2 + axis), offsets[:, axis], alpha=scale * unit,
                  out=out[:, axis])


def units(offsets: Tensor, normalize: bool) -> tuple[float, float]:
    """The width and the height of a pixel in the positions' unit."""
    h, w = offsets.shape[-2:]
    return (2 / w, 2 / h) if normalize else (1.0, 1.0)
