"""Where an upsampler samples, in one layout for all that do: what is looked at and drawn.

A point is a column and a row in pixels of the feature, whose centres stand at whole numbers.
Points are (N, G, P, 2, sH, sW): those of every group of channels and output position, the column
before the row.
"""

import torch
from torch import Tensor

from ..ops.tensors import cell_centres, compute_dtype, join_cells


class Sampling:
    """What upsamplers that sample share; a subclass defines :meth:`points`."""

    def points(self, x: Tensor) -> Tensor:
        """Where every output position samples; one that is guided takes ``guide`` too.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, G, P, 2, sH, sW), in pixels of ``x``, float32 at least: P points, each a column and
            a row, of every group of channels. A point may lie outside of the map.
        """
        raise NotImplementedError

    def start_points(self, x: Tensor) -> Tensor:
        """Where it would sample if it had learned no offset: at the output positions themselves.

        Args:
            x: (N, C, H, W).

        Returns:
            As :meth:`points` has them, with 1 for what does not differ.
        """
        return output_positions(x, self.scale_factor)[None, None, None]


class CellSampling(Sampling):
    """The same for those whose ``offsets`` are as :func:`mmdyup.ops.point_sample` takes them."""

    def points(self, x: Tensor) -> Tensor:
        """Where every output position samples: the centre of its cell, plus its offset.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, groups, 1, 2, sH, sW), columns and rows in pixels of ``x``, float32 at least. Beyond
            the border the border is read.
        """
        points = cells_as_points(self.offsets(x), self.scale_factor, self.groups)
        return points + cell_centres(x, self.scale_factor, points.dtype)


class CentredSampling(Sampling):
    """The same for those that start at the centre of a cell."""

    def start_points(self, x: Tensor) -> Tensor:
        """Where it would sample if it had learned no offset: at the centre of the cell.

        Args:
            x: (N, C, H, W).

        Returns:
            As :meth:`points` has them, with 1 for what does not differ.
        """
        return cell_centres(x, self.scale_factor, compute_dtype(x))[None, None, None]


def output_positions(x: Tensor, scale_factor: int) -> Tensor:
    """(2, sH, sW): the column and the row in ``x`` at which every output position lies."""
    s, (h, w) = scale_factor, x.shape[-2:]
    columns, rows = (
        (torch.arange(s * n, device=x.device, dtype=compute_dtype(x)) + 0.5) / s - 0.5
        for n in (w, h)
    )
    return torch.stack((columns.expand(s * h, -1), rows[:, None].expand(-1, s * w)))


def cells_as_points(offsets: Tensor, scale_factor: int, groups: int) -> Tensor:
    """Offsets as :func:`mmdyup.ops.point_sample` has them, to (N, G, 1, 2, sH, sW)."""
    places = offsets.unflatten(1, (2, groups, scale_factor, scale_factor))
    cells = places.permute(0, 2, 1, 5, 3, 6, 4).flatten(0, 1)
    return join_cells(cells).unflatten(0, (-1, groups)).unsqueeze(2)


def pairs_as_points(pairs: Tensor, groups: int) -> Tensor:
    """(N, 2·G·P, sH, sW), pairs point by point, group by group, to (N, G, P, 2, sH, sW)."""
    return pairs.unflatten(1, (groups, -1, 2))
