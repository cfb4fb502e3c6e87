"""Steps between the levels of a pyramid, and what is asked of its levels.

Levels go from the finest to the coarsest, each (N, C, H, W).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from ..ops.checks import check_map, check_positive_int
from ..upsamplers import Upsampler, build_upsampler


class UpsamplerList(nn.ModuleList):
    """Upsamplers, or lists of them, whose start a parent's ``init_weights`` reaches.

    With mmengine and without it: that descends into what has an ``init_weights``.
    """

    def init_weights(self) -> None:
        for module in self:
            if not getattr(module, 'is_init', False):
                module.init_weights()


def check_num_levels(levels: Sequence[Tensor], num_levels: int) -> None:
    """Raises ValueError unless there are ``num_levels`` levels."""
    if len(levels) != num_levels:
        raise ValueError(
            f'{num_levels} levels are expected, but {len(levels)} are given; make '
            'the config name as many levels as come in.'
        )


def check_pyramid(levels: Sequence[Tensor]) -> None:
    """Raises ValueError unless every level is half the size of the one before, rounded either
    way; TypeError where one is no map."""
    for x in levels:
        check_map('a level', x)
    sizes = [tuple(x.shape[-2:]) for x in levels]
    for fine, coarse in pairwise(sizes):
        if any(abs(2 * a - b) > 1 for a, b in zip(coarse, fine, strict=True)):
            raise ValueError(
                f'The levels {coarse} and {fine} are not 2 times apart; choose '
                'backbone outputs whose strides are.'
            )


def build_top_down(upsample_cfg: dict, channels: int, num_levels: int) -> UpsamplerList:
    """The 2× upsamplers between ``num_levels`` levels of ``channels`` channels, finest first."""
    check_positive_int('num_levels', num_levels)
    return UpsamplerList(build_upsampler(upsample_cfg, channels) for _ in range(num_levels - 1))


def merge_top_down(
    laterals: Sequence[Tensor],
    upsamplers: Sequence[Upsampler],
    plugin: Callable[[Tensor], Tensor] | None = None,
) -> list[Tensor]:
    """Adds every level, upsampled, to the next finer one, from the coarsest to the finest.

    Args:
        laterals: The levels, all of the same channels.
        upsamplers: The step between each level and the next coarser one.
        plugin: What each merged level goes through, if anything.

    Returns:
        The merged levels, of the laterals' shapes.

    Raises:
        ValueError: Two levels are not 2× apart, or differ in their channels, batch or device.
    """
    merged = list(laterals)
    for i in range(len(merged) - 1, 0, -1):
        x, fine = upsamplers[i - 1].meet(merged[i], merged[i - 1])
        if x.shape[1] != fine.shape[1]:
            raise ValueError(
                f'Levels of {x.shape[1]} and {fine.shape[1]} channels cannot be added; bring them '
                'to the same channels first.'
            )
        merged[i - 1] = fine + x if plugin is None else plugin(fine + x)
    return merged


def build_steps(upsample_cfg: dict, channels: int, guide_channels: Sequence[int]) -> UpsamplerList:
    """The 2× upsamplers that take each level to the finest one, separately from the others.

    Args:
        upsample_cfg: See :func:`mmdyup.build_upsampler`.
        channels: Channels of what is upsampled.
        guide_channels: Channels of each level as a guide, the finest first.

    Returns:
        For every level a list of its steps, the coarsest step first; none for the finest.

    Raises:
        TypeError: ``guide_channels`` is no sequence.
    """
    if not isinstance(guide_channels, Sequence):
        raise TypeError(
            f'guide_channels must have a number for every level, but it is {guide_channels!r}.'
        )
    return UpsamplerList(
        UpsamplerList(
            build_upsampler(upsample_cfg, channels, guide_channels=guide)
            for guide in reversed(guide_channels[:level])
        )
        for level in range(len(guide_channels))
    )


def upsample_to_finest(
    levels: Sequence[Tensor],
    steps: Sequence[Sequence[Upsampler]],
    convs: Sequence[Sequence[Callable[[Tensor], Tensor]]] | None = None,
) -> list[Tensor]:
    """Takes each level to the finest one by its own steps, the coarsest level first.

    On its way a level meets every finer one, as its guide. What a meeting makes of the finer level
    is what later ones see of it, and what itself goes up from it.

    Args:
        levels: The levels.
        steps: Those of :func:`build_steps`; of the last levels alone, if the first ones only guide.
        convs: What each level goes through before each of its steps; the finest level, which has
            none, goes through one.

    Returns:
        A map of the finest level's size for each level that has steps, in the order of ``steps``.
    """
    levels = list(levels)
    first = len(levels) - len(steps)
    upsampled = []
    for i in range(len(levels) - 1, first - 1, -1):
        x = levels[i]
        if convs and i == 0:
            x = convs[0][0](x)
        for k, upsampler in enumerate(steps[i - first]):
            if convs:
                x = convs[i - first][k](x)
            x, levels[i - 1 - k] = upsampler.meet(x, levels[i - 1 - k])
        upsampled.insert(0, x)
    return upsampled
