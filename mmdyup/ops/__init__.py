"""Functions on tensors; no modules, no registry, no config."""

from .expand_and_reassemble import expand_and_reassemble
from .reassembly import carafe, neighborhood_scores
from .sampling import expand_kernels, point_sample

__all__ = [
    'carafe',
    'expand_and_reassemble',
    'expand_kernels',
    'neighborhood_scores',
    'point_sample',
]
