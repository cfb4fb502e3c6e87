from collections.abc import Sequence

from mmengine.model import ModuleList

from ..upsamplers import build_upsampler


def build_steps(upsample_cfg: dict, channels: int, guide_channels: Sequence[int]) -> ModuleList:
    """The 2× upsamplers that take each level to the finest one, separately from the others.

    Args:
        upsample_cfg: See :func:`mmdyup.upsamplers.build_upsampler`.
        channels: Channels of what is upsampled.
        guide_channels: Channels of each level as a guide, the finest first.

    Returns:
        For every level a list of its steps, the coarsest step first; none for the finest.
    """
    return ModuleList(
        ModuleList(
            build_upsampler(upsample_cfg, channels, guide_channels=guide)
            for guide in reversed(guide_channels[:level])
        )
        for level in range(len(guide_channels))
    )
