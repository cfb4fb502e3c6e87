import torch
from mmengine.model import ModuleList
from torch import Tensor

from ..pyramid import OF_YOLOX, check_num_levels
from ..upsamplers import build_upsampler, upsample_to


class CSPPAFPNMixin:
    """The upsampling steps of the path aggregation networks that YOLOX and RTMDet use.

    Goes before mmdet's class, which builds all the rest: ``reduce_layers`` and
    ``top_down_blocks``, coarsest first, ``downsamples``, ``bottom_up_blocks`` and ``out_convs``,
    finest first. ``upsample_modules`` are finest first.
    """

    def __init__(self, *args, upsample_cfg: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        del self.upsample
        if isinstance(upsample_cfg, dict):
            upsample_cfg = {
                key: value for key, value in upsample_cfg.items() if OF_YOLOX.get(key) != value
            }
        self.upsample_cfg = upsample_cfg or dict(type='nearest')
        self.upsample_modules = ModuleList(
            build_upsampler(self.upsample_cfg, channels) for channels in self.in_channels[:-1]
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Backbone features, finest first, to as many levels of ``out_channels``."""
        check_num_levels(inputs, len(self.in_channels))
        merged = self._top_down(inputs)
        outs = merged[:1]
        for x, downsample, block in zip(
            merged[1:], self.downsamples, self.bottom_up_blocks, strict=True
        ):
            outs.append(block(torch.cat((downsample(outs[-1]), x), 1)))
        return tuple(conv(x) for conv, x in zip(self.out_convs, outs, strict=True))

    def _top_down(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        merged = list(inputs)
        for i, reduce, block in zip(
            range(len(inputs) - 1, 0, -1), self.reduce_layers, self.top_down_blocks, strict=True
        ):
            merged[i] = reduce(merged[i])
            upsampled = upsample_to(self.upsample_modules[i - 1], merged[i], inputs[i - 1])
            merged[i - 1] = block(torch.cat((upsampled, inputs[i - 1]), 1))
        return merged
