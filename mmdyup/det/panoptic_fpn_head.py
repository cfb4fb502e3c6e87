import torch
from mmdet.models.seg_heads import PanopticFPNHead
from mmdet.registry import MODELS
from torch import Tensor

from ..pyramid import DynamicPart, build_steps, upsample_to_finest


@MODELS.register_module()
class DyPanopticFPNHead(DynamicPart, PanopticFPNHead):
    r"""mmdet's PanopticFPNHead, the semantic head of Panoptic FPN, with any upsampler in it.

    Every level but the finest is upsampled after each of its convolutions::

        P5 ── conv, 2× ── conv, 2× ── conv, 2× ──┐
        P4 ── conv, 2× ── conv, 2× ──────────────┤
        P3 ── conv, 2× ──────────────────────────┤
        P2 ── conv ──────────────────────────── (+) ── logits

    ``upsample_modules[i][j]`` is the step after convolution j of ``conv_upsample_layers[i]``.
    It is fitted to the next finer level of the input, which may have any size and is what a
    guided upsampler sees: of the head's ``in_channels``, while what is upsampled has
    ``inner_channels``. An upsampler that changes that level does so in turn, the coarsest first:
    later ones see it, and it goes through its own convolutions, as it was left. With
    ``dict(type='bilinear')`` it takes the state of mmdet's
    ``PanopticFPNHead`` and gives its output.

    Args:
        *args: Those of ``mmdet.models.seg_heads.PanopticFPNHead``.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of ``mmdet.models.seg_heads.PanopticFPNHead``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or there are fewer than ``end_level``
            levels, or two are not 2× apart.
    """

    def default_upsample_cfg(self) -> dict:
        return dict(type='bilinear')

    def add_upsamplers(self) -> None:
        guide_channels = self.conv_upsample_layers[0].conv[0].in_channels
        self.upsample_modules = build_steps(
            self.upsample_cfg, self.inner_channels, [guide_channels] * self.end_level
        )[self.start_level :]

    def forward(self, x: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Levels, finest first, to ``seg_feats`` and ``seg_preds`` of the finest level's size."""
        if len(x) < self.end_level:
            raise ValueError(
                f'The head needs {self.end_level} levels, but {len(x)} are given; '
                'set end_level to the number of levels that the neck gives.'
            )
        convs = [layer.conv for layer in self.conv_upsample_layers]
        feats = upsample_to_finest(x[: self.end_level], self.upsample_modules, convs)
        seg_feats = torch.stack(feats).sum(0)
        return dict(seg_preds=self.conv_logits(seg_feats), seg_feats=seg_feats)
