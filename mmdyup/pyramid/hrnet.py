"""HRNet, which mmdet and mmseg have each for itself."""

from typing import ClassVar

from torch import Tensor

from .interpolation import DynamicInterpolation, Step
from .part import DynamicPart


class DynamicHRModule(DynamicInterpolation):
    r"""Base that stands before an HRModule: each branch receives all coarser ones, upsampled.

    ::

        branch 0 ── blocks ── (+) ───────── (+) ───────── (+)
                              │ [0], 2×      │ [1], 4×     │ [2], 8×
        branch 1 ── blocks ───┘  (+)         │             │
                                  │ [3], 2×  │             │
        branch 2 ── blocks ───────┴──────────┘             │
        branch 3 ── blocks ────────────────────────────────┘

        [k] is upsample_modules[k]; branch 1 receives branches 2 and 3 alike

    The finer feature of a step is the branch that receives it.
    """

    def _pairs(self) -> list[tuple[int, int]]:
        # with one branch there are no layers
        received = range(len(self.fuse_layers or []))
        return [(i, j) for i in received for j in range(i + 1, self.num_branches)]

    def steps(self) -> list[Step]:
        c = self.in_channels
        return [Step(c[i], 2 ** (j - i), c[i]) for i, j in self._pairs()]

    def guide(self, k: int, x: list[Tensor]) -> Tensor:
        return x[self._pairs()[k][0]]


class DynamicHRNet(DynamicPart):
    """Base that stands before an HRNet; see :class:`DynamicHRModule` for what it upsamples.

    With ``hr_module.own`` it takes the state of that ``HRNet`` and gives its output.

    Args:
        *args: Those of the ``HRNet``.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of the ``HRNet``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler.
    """

    #: A subclass of DynamicHRModule and of the HRModule that the parent builds.
    hr_module: ClassVar[type[DynamicHRModule]]

    def default_upsample_cfg(self) -> dict:
        return self.hr_module.own

    def add_upsamplers(self) -> None:
        for module in list(self.modules()):
            if type(module) in self.hr_module.__bases__:
                self.hr_module.adopt(module, self.upsample_cfg)
