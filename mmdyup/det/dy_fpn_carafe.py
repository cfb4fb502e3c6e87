from mmdet.models.necks import FPN_CARAFE
from mmdet.registry import MODELS
from torch import Tensor

from ..pyramid import build_top_down, check_num_levels, merge_top_down


@MODELS.register_module()
class DyFPNCARAFE(FPN_CARAFE):
    r"""mmdet's FPN_CARAFE with any upsampler in its top-down path: the neck of both papers.

    Unlike FPN, its extra level comes from a strided convolution and joins the top-down path, so
    that five levels have four upsamplers::

        C5 ── 3×3, stride 2 ── M6 ────────── fpn conv ── P6
                                │ upsample_modules[3]
        C5 ── lateral ──────── (+) M5 ────── fpn conv ── P5
                                │ upsample_modules[2]
        C4 ── lateral ──────── (+) M4 ────── fpn conv ── P4
                                │ upsample_modules[1]
        C3 ── lateral ──────── (+) M3 ────── fpn conv ── P3
                                │ upsample_modules[0]
        C2 ── lateral ──────── (+) M2 ────── fpn conv ── P2

    With ``dict(type='nearest')`` it takes the state of mmdet's ``FPN_CARAFE`` and gives its
    output. Levels may have any size: an upsampled level is fitted to the finer one.

    Args:
        *args: Those of ``mmdet.models.necks.FPN_CARAFE``.
        upsample_cfg: The upsampler between two levels; see
            :func:`mmdyup.upsamplers.build_upsampler`.
        **kwargs: Those of ``mmdet.models.necks.FPN_CARAFE``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def __init__(self, *args, upsample_cfg: dict | None = None, **kwargs) -> None:
        super().__init__(*args, upsample_cfg=dict(type='nearest'), **kwargs)
        self.upsample_cfg = upsample_cfg or dict(type='nearest')
        self.upsample_modules = build_top_down(
            self.upsample_cfg, self.lateral_convs[0].out_channels, len(self.lateral_convs)
        )

    def init_weights(self) -> None:
        super().init_weights()
        # the parent ends by initializing every convolution below it once more
        for upsampler in self.upsample_modules:
            upsampler.is_init = False
            upsampler.init_weights()

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Backbone features, finest first, to ``num_outs`` levels of ``out_channels``."""
        check_num_levels(inputs, len(self.in_channels))
        laterals = []
        for level, conv in enumerate(self.lateral_convs, start=self.start_level):
            # the first extra level starts from the last feature, others from the level before
            source = inputs[min(level, len(inputs) - 1)]
            laterals.append(conv(source if level <= self.backbone_end_level else laterals[-1]))
        laterals = merge_top_down(laterals, self.upsample_modules)
        return tuple(conv(x) for conv, x in zip(self.fpn_convs, laterals, strict=True))
