from torch import Tensor

from .registry import register
from .sapa import PointAffiliation


@register
class SAPAI(PointAffiliation):
    """Similarity-Aware Point Affiliation without embedding, SAPA-I (Lu et al., NeurIPS 2022).

    Compared are the normalized features themselves, so that the guide has C channels too.

    Takes the arguments of :class:`PointAffiliation`.

    Raises:
        ValueError: The guide has other channels than the feature, too.
    """

    variants = {'sapa_i': {}}

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        if self.guide_channels != self.in_channels:
            raise ValueError(
                f'SAPA-I compares its guide of {self.guide_channels} channels with a feature of '
                f"{self.in_channels}, for which these must be equal; choose type='SAPA'."
            )
        self.reset_parameters()

    def query_and_key(self, x: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        return self.norm_y(guide), self.norm_x(x)
