from collections.abc import Sequence

from mmengine.model import ModuleList
from torch import Tensor

from ..upsamplers import Upsampler, build_upsampler, upsample_to


def build_top_down(upsample_cfg: dict, channels: int, num_levels: int) -> ModuleList:
    """The 2× upsamplers between ``num_levels`` levels of ``channels`` channels, finest first."""
    return ModuleList(build_upsampler(upsample_cfg, channels) for _ in range(num_levels - 1))


def merge_top_down(laterals: Sequence[Tensor], upsamplers: Sequence[Upsampler]) -> list[Tensor]:
    """Adds every level, upsampled, to the next finer one, from the coarsest to the finest.

    Args:
        laterals: Levels from the finest to the coarsest, each (N, C, H, W).
        upsamplers: The step between each level and the next coarser one.

    Returns:
        The merged levels, of the laterals' shapes.
    """
    merged = list(laterals)
    for i in range(len(merged) - 1, 0, -1):
        merged[i - 1] = merged[i - 1] + upsample_to(upsamplers[i - 1], merged[i], merged[i - 1])
    return merged
