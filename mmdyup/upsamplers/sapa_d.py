from torch import Tensor

from ..ops import attend
from ..ops.attention import point_weights
from ..ops.checks import check_divides, check_positive_int
from ..ops.tensors import cell_centres, compute_dtype, pixel_shuffle
from .base import Upsampler, check_guide
from .init import normal_init
from .points import CentredSampling, pairs_as_points
from .pointwise import Pointwise
from .registry import register


@register
class SAPAD(CentredSampling, Upsampler):
    """Similarity-Aware Point Affiliation at dynamic points, SAPA-D (Liu et al., arXiv 2307.08198).

    Every position of the finer feature has some points for each group of channels, which all
    start at the centre of its cell. There the coarse feature is sampled and weighted by how
    similar its embedding is to that of the position.

    The published detectors started from ::

        init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform')

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        guide_channels: Channels Cf of the guide; C where it is None.
        groups: Groups of channels with points and weights of their own; divides C.
        points: Points of a position and group, P.
        embed_channels: Channels in which the two are compared, for each group.
        backend: Passed to :func:`mmdyup.ops.attend`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The groups do not divide C, or a number is below 1.
    """

    guided = True
    variants = {'sapa_d': {}}

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        guide_channels: int | None = None,
        groups: int = 4,
        points: int = 9,
        embed_channels: int = 32,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, init_cfg)
        self.guide_channels = in_channels if guide_channels is None else guide_channels
        check_positive_int('guide_channels', self.guide_channels)
        check_divides('groups', groups, in_channels)
        check_positive_int('points', points)
        check_positive_int('embed_channels', embed_channels)
        self.groups = groups
        self.backend = backend
        self.q = Pointwise(self.guide_channels, groups * embed_channels)
        self.k = Pointwise(in_channels, groups * embed_channels)
        self.offset = Pointwise(in_channels, 2 * groups * points * scale_factor**2)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for conv in self.children():
            normal_init(conv, std=0.02)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """Upsamples ``x`` by attention of the guide's positions over points of their own.

        Args:
            x: (N, C, H, W).
            guide: The finer feature, (N, Cf, sH, sW).

        Returns:
            (N, C, sH, sW), in the dtype and memory format of ``x``.

        Raises:
            ValueError: There is no guide, or it has another shape or device.
        """
        check_guide(self, x, guide)
        query, key, positions = self._compared(x, guide)
        return attend(query, key, x, positions, self.groups, self.groups, backend=self.backend)

    def _compared(self, x: Tensor, guide: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The query, (N, D, sH, sW), the key, (N, D, H, W), and the positions of the points."""
        positions = self.positions(x)
        return self.q(guide), self.k(x), positions

    def offsets(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """How far the points lie from the centres of the cells.

        Args:
            x: (N, C, H, W).
            guide: Not looked at.

        Returns:
            (N, 2·groups·P, sH, sW), pairs (x, y) in low-resolution pixels, point by point, group
            by group, float32 at least.
        """
        offsets = pixel_shuffle(self.offset(x), self.scale_factor)
        return offsets.to(compute_dtype(offsets))

    def positions(self, x: Tensor) -> Tensor:
        """The points for :func:`mmdyup.ops.attend`, (N, 2·groups·P, sH, sW), float32 at least."""
        offsets = self.offsets(x)
        centres = cell_centres(x, self.scale_factor, offsets.dtype)
        return (offsets.unflatten(1, (-1, 2)) + centres).flatten(1, 2)

    def points(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """Where every output position samples.

        Args:
            x: (N, C, H, W).
            guide: Not looked at.

        Returns:
            (N, groups, P, 2, sH, sW), columns and rows in pixels of ``x``, float32 at least.
            Outside of the map the feature is 0.
        """
        return pairs_as_points(self.positions(x), self.groups)

    def weights(self, x: Tensor, guide: Tensor) -> Tensor:
        """The shares of the points: softmax over n of ⟨q, k(pₙ)⟩.

        Args:
            x: (N, C, H, W).
            guide: The finer feature, (N, Cf, sH, sW).

        Returns:
            (N, groups, P, sH, sW), which sum to one over P, float32 at least.
        """
        query, key, positions = self._compared(x, guide)
        weights = point_weights(query, key, positions, self.groups, self.groups)
        return weights.unflatten(1, (self.groups, -1))

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, guide_channels={self.guide_channels}, groups={self.groups}'
