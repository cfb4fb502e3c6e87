"""Functions on tensors; no modules, no registry, no config."""
from .carafe import carafe
from .expand_kernels import expand_kernels
from .point_sample import point_sample

__all__ = ['carafe', 'expand_kernels', 'point_sample']
