"""Functions on tensors; no modules, no registry, no config."""

from .carafe import carafe
from .expand_and_reassemble import expand_and_reassemble
from .expand_kernels import expand_kernels
from .neighborhood_scores import neighborhood_scores
from .point_sample import point_sample

__all__ = [
    'carafe',
    'expand_and_reassemble',
    'expand_kernels',
    'neighborhood_scores',
    'point_sample',
]
