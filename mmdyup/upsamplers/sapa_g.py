from torch import Tensor, nn

from ..ops.tensors import compute_dtype, join_cells, split_cells
from .registry import register
from .sapa import EmbeddedAffiliation


@register
class SAPAG(EmbeddedAffiliation):
    """Similarity-Aware Point Affiliation with gated queries, SAPA-G (Lu et al., NeurIPS 2022).

    A gate, one number for every coarse pixel, blends the guide's embedding with one of the
    feature itself, which is not normalized there. The rest is SAPA-B's.

    Takes the arguments of :class:`EmbeddedAffiliation`.
    """

    variants = {'sapa_g': {}}

    def add_queries(self, embed_channels: int) -> None:
        self.qy = nn.Conv2d(self.guide_channels, embed_channels, 1)
        self.qx = nn.Conv2d(self.in_channels, embed_channels, 1)
        self.gate = nn.Conv2d(self.in_channels, 1, 1)

    def query_and_key(self, x: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.norm_x(x)
        fine = self.qy(self.norm_y(guide))
        # the same for a cell's positions, so made at low resolution
        gate, coarse = (
            z.to(compute_dtype(z))[:, :, :, None, :, None]
            for z in (self._gates(normed), self.qx(x))
        )
        cells = split_cells(fine.to(gate.dtype), self.scale_factor)
        return join_cells(coarse.lerp(cells, gate)), self.k(normed)

    def gates(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """The share of the guide in the query: G in q = G·q_guide + (1 − G)·q_feature.

        Args:
            x: (N, C, H, W).
            guide: Not looked at.

        Returns:
            (N, 1, H, W) in 0..1.
        """
        return self._gates(self.norm_x(x))

    def _gates(self, normed: Tensor) -> Tensor:
        return self.gate(normed).sigmoid()
