from mmdet.models.necks import YOLOXPAFPN
from mmdet.registry import MODELS

from .csp_pafpn import CSPPAFPNMixin


@MODELS.register_module()
class DyYOLOXPAFPN(CSPPAFPNMixin, YOLOXPAFPN):
    r"""mmdet's YOLOXPAFPN with any upsampler in its top-down path.

    ::

        C5 ── reduce ──────── M5 ───────────────── (cat) CSP ── out conv ── P5
                              │ upsample_modules[1]  │ 3×3, stride 2
        C4 ──────────── (cat) CSP ── reduce ── M4 (cat) CSP ─── out conv ── P4
                              ┌────────────────┘     │ 3×3, stride 2
                              │ upsample_modules[0]  │
        C3 ──────────── (cat) CSP ───────────────────┴───────── out conv ── P3

    The upsampler above C3 has the channels of C3, and so on. With ``dict(type='nearest')`` it
    takes the state of mmdet's ``YOLOXPAFPN`` and gives its output. Levels may have any size that
    was rounded up on its way down, not multiples of 32 alone: an upsampled level is fitted to the
    finer one.

    Args:
        *args: Those of ``mmdet.models.necks.YOLOXPAFPN``.
        upsample_cfg: The upsampler between two levels; see
            :func:`mmdyup.upsamplers.build_upsampler`. It stands in the place of the parent's
            argument for ``nn.Upsample``.
        **kwargs: Those of ``mmdet.models.necks.YOLOXPAFPN``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """
