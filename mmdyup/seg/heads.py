import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads import SegformerHead, UPerHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..pyramid import (
    DynamicPart,
    build_steps,
    build_top_down,
    merge_top_down,
    upsample_to_finest,
)


@MODELS.register_module()
class DySegformerHead(DynamicPart, SegformerHead):
    r"""mmseg's SegformerHead with any upsampler, in steps of 2× as in the papers.

    The parent resizes each projected level to the finest in one go; here a level takes a step of
    its own for every finer level, six in all, each guided by the projection E of the level that
    it reaches::

        C5 ── conv ── E5 ──[3][0]── 1/16 ──[3][1]── 1/8 ──[3][2]── 1/4 ──┐
        C4 ── conv ── E4 ─────────────────[2][0]── 1/8 ──[2][1]── 1/4 ──┤
        C3 ── conv ── E3 ────────────────────────────────[1][0]── 1/4 ──┼── fusion_conv ── cls
        C2 ── conv ── E2 ────────────────────────────────────────────────┘

        [i][k] is upsample_modules[i][k]

    A level that several others climb over may be changed by each of them (FreqFusion sharpens it):
    in turn, the coarsest first, and later ones see it, and it climbs itself, as it was left. The
    authors of FreqFusion publish no such head; in theirs for SegNeXt, where every level is climbed
    over once, it goes on as it was changed, too.

    It takes the state of ``SegformerHead`` where the upsampler has no parameters. Several
    bilinear steps are a little smoother than the parent's one. Levels may have any size: a
    step's result is fitted to the level that it reaches.

    The papers trained the head of SegFormer's own code instead: a projection is a linear layer
    alone, where mmseg's has batch norm and ReLU behind it, and the coarsest level comes first in
    what is fused. ``linear_projections=True`` is that head, and takes its states by their own names
    too (``linear_c1.proj``, ``linear_fuse``, ``linear_pred``).

    Args:
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`. The parent's
            ``interpolate_mode`` and ``align_corners`` unless given.
        linear_projections: Whether it is the head of SegFormer's own code.
        **kwargs: Those of ``mmseg.models.decode_heads.SegformerHead``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def __init__(self, *, linear_projections: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.linear_projections = linear_projections
        if linear_projections:
            self.convs = nn.ModuleList(
                ConvModule(channels, self.channels, 1, act_cfg=None)
                for channels in self.in_channels
            )

    def default_upsample_cfg(self) -> dict:
        return dict(type=self.interpolate_mode, align_corners=self.align_corners)

    def add_upsamplers(self) -> None:
        self.upsample_modules = build_steps(
            self.upsample_cfg, self.channels, [self.channels] * len(self.convs)
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Backbone features, finest first, to logits (N, out_channels, H, W) at the finest."""
        levels = [
            conv(x) for conv, x in zip(self.convs, self._transform_inputs(inputs), strict=True)
        ]
        upsampled = upsample_to_finest(levels, self.upsample_modules)
        if self.linear_projections:
            upsampled.reverse()
        return self.cls_seg(self.fusion_conv(torch.cat(upsampled, dim=1)))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        if f'{prefix}linear_pred.weight' in state_dict and self.linear_projections:
            self._rename_original(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _rename_original(self, state_dict: dict, prefix: str) -> None:
        """Gives a state of SegFormer's own head the names and shapes of this one."""
        # a layer of its parent's that it does not use
        for kind in ('weight', 'bias'):
            state_dict.pop(f'{prefix}conv_seg.{kind}', None)
        others = {'linear_fuse': 'fusion_conv', 'linear_pred': 'conv_seg'}
        for i in range(len(self.convs)):
            others[f'linear_c{i + 1}.proj'] = f'convs.{i}.conv'
        for other, own in others.items():
            start = f'{prefix}{other}.'
            for name in [name for name in state_dict if name.startswith(start)]:
                value = state_dict.pop(name)
                if name.endswith('.proj.weight'):
                    value = value[..., None, None]
                state_dict[f'{prefix}{own}.{name.removeprefix(start)}'] = value


@MODELS.register_module()
class DyUPerHead(DynamicPart, UPerHead):
    r"""mmseg's UPerHead with any upsampler in its top-down path.

    ::

        C5 ── pyramid pooling ── M5 ─────────────────── resize ──┐
                                 │ upsample_modules[2]           │
        C4 ── lateral ───────── (+) M4 ──── fpn conv ── resize ──┤
                                 │ upsample_modules[1]           │
        C3 ── lateral ───────── (+) M3 ──── fpn conv ── resize ──┼── fpn_bottleneck ── cls
                                 │ upsample_modules[0]           │
        C2 ── lateral ───────── (+) M2 ──── fpn conv ────────────┘

    What the bottleneck gathers is resized as in the parent, bilinearly. With
    ``dict(type='bilinear')`` it takes the state of ``UPerHead`` and gives its output. Levels may
    have any size: an upsampled level is fitted to the finer one.

    Args:
        upsample_cfg: The upsampler between two levels; see :class:`DynamicPart`. Bilinear with
            the parent's ``align_corners`` unless given.
        **kwargs: Those of ``mmseg.models.decode_heads.UPerHead``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def default_upsample_cfg(self) -> dict:
        return dict(type='bilinear', align_corners=self.align_corners)

    def add_upsamplers(self) -> None:
        self.upsample_modules = build_top_down(
            self.upsample_cfg, self.channels, len(self.in_channels)
        )

    def _forward_feature(self, inputs: tuple[Tensor, ...]) -> Tensor:
        inputs = self._transform_inputs(inputs)
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, inputs[:-1], strict=True)]
        *merged, coarsest = merge_top_down(
            [*laterals, self.psp_forward(inputs)], self.upsample_modules
        )
        finest, *others = [conv(x) for conv, x in zip(self.fpn_convs, merged, strict=True)]
        resized = [
            resize(x, size=finest.shape[-2:], mode='bilinear', align_corners=self.align_corners)
            for x in (*others, coarsest)
        ]
        return self.fpn_bottleneck(torch.cat((finest, *resized), dim=1))
