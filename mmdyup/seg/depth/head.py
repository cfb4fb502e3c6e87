import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...pyramid import DynamicPart, UpsamplerList, check_num_levels
from ...upsamplers import build_upsampler


@MODELS.register_module()
class DyDenseDepthHead(DynamicPart, BaseDecodeHead):
    r"""The dense head of DepthFormer with any upsampler in its four steps.

    ::

        1/32 ── 1×1 ── 768
                        │ upsample_modules[3]
        1/16 ──────── (cat) ── two 3×3 ── 384
                        ┌──────────────────┘
                        │ upsample_modules[2]
        1/8  ──────── (cat) ── two 3×3 ── 192
                        ┌──────────────────┘
                        │ upsample_modules[1]
        1/4  ──────── (cat) ── two 3×3 ── 96
                        ┌──────────────────┘
                        │ upsample_modules[0]
        1/2  ──────── (cat) ── two 3×3 ── 64 ── 3×3 ── ReLU, + min_depth ── depth

    The 3×3 convolutions have a LeakyReLU and no norm; with the channels of Swin-T the upsamplers
    have 768, 384, 192 and 96. A guided one sees the finer level of the head's input. Levels may
    have any size: an upsampled level is fitted to the finer one. The head is that of DenseDepth
    (Alhashim and Wonka, arXiv 1812.11941) as DepthFormer has it (Li et al., arXiv 2203.14211).

    Args:
        in_channels: Channels of the levels, the finest first, and of what is made of each.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`. Bilinear with
            ``align_corners`` unless given.
        min_depth: What is added to the depth, in metres.
        loss_decode: The loss.
        align_corners: For the parent's interpolation, also from 1/2 to the size of the picture.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or two levels are not 2× apart.
    """

    def __init__(
        self,
        in_channels: list[int],
        upsample_cfg: dict | None = None,
        min_depth: float = 1e-3,
        loss_decode: dict | None = None,
        align_corners: bool = True,
    ) -> None:
        super().__init__(
            upsample_cfg=upsample_cfg,
            in_channels=in_channels,
            in_index=list(range(len(in_channels))),
            input_transform='multiple_select',
            channels=in_channels[0],
            num_classes=1,
            # of no use here, but mmseg warns where it is missing
            threshold=0,
            dropout_ratio=0,
            act_cfg=dict(type='LeakyReLU'),
            loss_decode=loss_decode or dict(type='ScaleInvariantLoss'),
            align_corners=align_corners,
            init_cfg=None,
        )
        self.min_depth = min_depth
        self.reduce = nn.Conv2d(in_channels[-1], in_channels[-1], 1)
        self.fusions = nn.ModuleList(
            nn.Sequential(self._conv(fine + coarse, fine), self._conv(fine, fine))
            for fine, coarse in zip(in_channels[:-1], in_channels[1:], strict=True)
        )
        self.conv_seg = nn.Conv2d(in_channels[0], 1, 3, padding=1)

    def _conv(self, in_channels: int, out_channels: int) -> ConvModule:
        return ConvModule(in_channels, out_channels, 3, padding=1, act_cfg=self.act_cfg)

    def default_upsample_cfg(self) -> dict:
        return dict(type='bilinear', align_corners=self.align_corners)

    def add_upsamplers(self) -> None:
        self.upsample_modules = UpsamplerList(
            build_upsampler(self.upsample_cfg, coarse, guide_channels=fine)
            for fine, coarse in zip(self.in_channels[:-1], self.in_channels[1:], strict=True)
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Levels, finest first, to depths (N, 1, H, W) in metres at the finest."""
        check_num_levels(inputs, len(self.in_channels))
        x = self.reduce(inputs[-1])
        for i in range(len(inputs) - 2, -1, -1):
            x, fine = self.upsample_modules[i].meet(x, inputs[i])
            x = self.fusions[i](torch.cat((x, fine), 1))
        return F.relu(self.cls_seg(x)) + self.min_depth

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """The loss of depths against the ``gt_depth_map`` of the samples, at the size of those."""
        target = torch.stack([sample.gt_depth_map.data for sample in batch_data_samples])
        pred = resize(
            seg_logits, target.shape[2:], mode='bilinear', align_corners=self.align_corners
        )
        return {self.loss_decode.loss_name: self.loss_decode(pred, target)}
