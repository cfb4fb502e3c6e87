"""Functions on tensors; no modules, no registry, no config.

Their words, for the ratio s = 2 and kernels of k = 3::

    x, (N, C, H, W)                     y, (N, C, sH, sW)

    ┌───┬───┬───┐                       ┌─┬─┬─┬─┬─┬─┐
    │   │   │   │  a cell p and its     │ │ │ │ │ │ │  a line: one row of y
    ├───┼───┼───┤  window: the k×k      ├─┼─┼─┼─┼─┼─┤
    │   │ p │   │  pixels around it,    │ │ │0│1│ │ │  the s×s places of the
    ├───┼───┼───┤  each met by a tap    │ │ │2│3│ │ │  cell p, i·s + j
    │   │   │   │  a·k + b              ├─┼─┼─┼─┼─┼─┤
    └───┴───┴───┘                       └─┴─┴─┴─┴─┴─┘

A kernel has a number for every tap; a group of channels shares its kernels or offsets. A block is
what is worked on at a time. :mod:`mmdyup.ops.reassembly.contractions` defines ``reassemble``,
``scores`` and ``spread``, :data:`mmdyup.ops.sampling.sample` says what a sample is.
"""

from .attention import attend
from .backends import exported_for
from .expand_and_reassemble import expand_and_reassemble
from .reassembly import carafe, neighborhood_scores
from .sampling import expand_kernels, point_sample

__all__ = [
    'attend',
    'carafe',
    'expand_and_reassemble',
    'expand_kernels',
    'exported_for',
    'neighborhood_scores',
    'point_sample',
]
