import torch.nn.functional as F
from mmdet.models.necks import BFP
from mmdet.registry import MODELS
from torch import Tensor

from ..pyramid import DynamicPart, UpsamplerList, check_num_levels, check_pyramid
from ..upsamplers import Upsampler, build_upsampler


@MODELS.register_module()
class DyBFP(DynamicPart, BFP):
    r"""mmdet's BFP, the balanced feature pyramid of Libra R-CNN, with any upsampler in it.

    Five levels and ``refine_level`` 2, the default::

        P6 ── 4×, gather_upsamplers[1] ──┐         ┌── max pooling ──────────────── (+ P6)
        P5 ── 2×, gather_upsamplers[0] ──┤         ├── max pooling ──────────────── (+ P5)
        P4 ──────────────────────────── mean, refine ────────────────────────────── (+ P4)
        P3 ── max pooling ───────────────┤         ├── 2×, scatter_upsamplers[1] ── (+ P3)
        P2 ── max pooling ───────────────┘         └── 4×, scatter_upsamplers[0] ── (+ P2)

    The step to or from a level d levels away is one upsampler of ratio 2^d, so that with
    ``refine_level`` 0, as in the DLU paper, the gathering takes 2×, 4×, 8× and 16×. As in the
    parent, levels whose sizes were rounded are stretched over one another; a guided upsampler
    sees the finer level, and its result stays where the finer level's pixels are. One that changes
    the finer level changes that of ``refine_level`` several times: by the levels above in turn, the
    nearest first. What is left of it is gathered, and added in the end. With
    ``dict(type='nearest')`` it takes the state of mmdet's ``BFP`` and gives its output.

    Args:
        in_channels: Channels of every level.
        num_levels: Number of levels.
        refine_level: The level at which all are gathered, 0 the finest.
        *args: The others of ``mmdet.models.necks.BFP``.
        upsample_cfg: The upsampler of every upward step; see :class:`DynamicPart`.
        **kwargs: The others of ``mmdet.models.necks.BFP``.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, ``refine_level`` is no level, or the
            levels are not 2× apart or not ``num_levels``.
    """

    def __init__(
        self, in_channels: int, num_levels: int, refine_level: int = 2, *args, **kwargs
    ) -> None:
        if not 0 <= refine_level < num_levels:
            raise ValueError(
                f'refine_level must be 0..{num_levels - 1}, one of the {num_levels} '
                f'levels, but it is {refine_level}.'
            )
        super().__init__(in_channels, num_levels, refine_level, *args, **kwargs)

    def add_upsamplers(self) -> None:
        self.gather_upsamplers = self._build(range(1, self.num_levels - self.refine_level))
        self.scatter_upsamplers = self._build(range(self.refine_level, 0, -1))

    def _build(self, distances: range) -> UpsamplerList:
        return UpsamplerList(
            build_upsampler(self.upsample_cfg, self.in_channels, 2**distance)
            for distance in distances
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Levels, finest first, to levels of the same shapes."""
        check_num_levels(inputs, self.num_levels)
        check_pyramid(inputs)
        r = self.refine_level
        finer, middle, coarser = inputs[:r], inputs[r], inputs[r + 1 :]
        balanced, middle = self._gather(finer, middle, coarser)
        if self.refine_type is not None:
            balanced = self.refine(balanced)
        met = [
            _meet(upsampler, balanced, x)
            for upsampler, x in zip(self.scatter_upsamplers, finer, strict=True)
        ]
        return (
            *(x + fine for x, fine in met),
            balanced + middle,
            *(_pool(balanced, x) + x for x in coarser),
        )

    def _gather(
        self, finer: tuple[Tensor, ...], middle: Tensor, coarser: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        pooled = [_pool(x, middle) for x in finer]
        upsampled = []
        for upsampler, x in zip(self.gather_upsamplers, coarser, strict=True):
            x, middle = _meet(upsampler, x, middle)
            upsampled.append(x)
        feats = [*pooled, middle, *upsampled]
        return sum(feats) / len(feats), middle


def _pool(x: Tensor, coarse: Tensor) -> Tensor:
    return F.adaptive_max_pool2d(x, coarse.shape[-2:])


def _meet(upsampler: Upsampler, x: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
    size = tuple(upsampler.scale_factor * n for n in x.shape[-2:])
    if upsampler.guided or size == fine.shape[-2:]:
        return upsampler.meet(x, fine)
    # where `meet` crops several rows, the parent's interpolation leaves out others
    return F.interpolate(upsampler(x), size=fine.shape[-2:], mode='nearest'), fine
