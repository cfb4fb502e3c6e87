import math

import torch
from torch import Tensor

from .case import Case
from .subject import Subject

_MOST_SETS = 64


class Features:
    """The features of one case, which all its rows share.

    On CUDA there are so many that they fill the L2 cache twice, so that taken in turn each comes
    from memory; on the CPU there is one.
    """

    def __init__(self, case: Case) -> None:
        first = case.feature()
        count = 1
        if first.is_cuda:
            cache = torch.cuda.get_device_properties(first.device).L2_cache_size
            count = min(_MOST_SETS, 1 + math.ceil(2 * cache / first.nbytes))
        self.all = [first, *(case.feature() for _ in range(count - 1))]
        for feature in self.all:
            feature.requires_grad_()

    def sets(self, subject: Subject) -> list[tuple[Tensor, ...]]:
        """A set of inputs of ``subject`` for every feature; all of them ask for gradients."""
        return [
            (feature, *(extra.requires_grad_() for extra in subject.extras()))
            for feature in self.all
        ]
