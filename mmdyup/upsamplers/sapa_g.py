import torch
from torch import Tensor

from ..ops.tensors import compute_dtype, fill_cells
from .pointwise import Pointwise
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
        self.qy = Pointwise(self.guide_channels, embed_channels)
        self.qx = Pointwise(self.in_channels, embed_channels)
        self.gate = Pointwise(self.in_channels, 1)

    def query_and_key(self, x: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.norm_x(x)
        fine = self.embed(guide, self.norm_y, self.qy)
        # the same for a cell's positions, so made at low resolution
        gate, coarse = (z.to(compute_dtype(z)) for z in (self._gates(normed), self.qx(x)))
        coarse, of_fine = (fill_cells(z, self.scale_factor) for z in ((1 - gate) * coarse, gate))
        return torch.addcmul(coarse, fine.to(gate.dtype), of_fine), self.k(normed)

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
