from mmdet.models.necks import PAFPN
from mmdet.registry import MODELS
from torch import Tensor

from .dy_fpn import DyFPN


@MODELS.register_module()
class DyPAFPN(DyFPN, PAFPN):
    r"""mmdet's PAFPN with any upsampler in its top-down path.

    :class:`DyFPN`, whose levels then go up again from the finest, N2, to the coarsest::

        P4 ── (+) N4 ── pafpn conv ── out 4 ── extra levels
               │ 3×3, stride 2
        P3 ── (+) N3 ── pafpn conv ── out 3
               │ 3×3, stride 2
        P2 ──────────────── N2 ────── out 2

    With ``dict(type='nearest')`` it takes the state of mmdet's ``PAFPN`` and gives its output.
    Levels may have any size that was rounded up on its way down, as the parent rounds it: an
    upsampled level is fitted to the finer one.

    Args:
        *args: Those of ``mmdet.models.necks.PAFPN``.
        upsample_cfg: The upsampler between two levels; see
            :func:`mmdyup.upsamplers.build_upsampler`.
        **kwargs: Those of ``mmdet.models.necks.PAFPN``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def _level_outs(self, laterals: list[Tensor]) -> list[Tensor]:
        outs = super()._level_outs(laterals)
        for i, conv in enumerate(self.downsample_convs):
            outs[i + 1] = outs[i + 1] + conv(outs[i])
        return outs[:1] + [conv(x) for conv, x in zip(self.pafpn_convs, outs[1:], strict=True)]
