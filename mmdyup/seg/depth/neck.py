import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, xavier_init
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...pyramid import check_num_levels

POSITIONS = dict(type='mmdet.SinePositionalEncoding')


@MODELS.register_module()
class HAHINeck(BaseModule):
    r"""The neck of DepthFormer: hierarchical aggregation and heterogeneous interaction.

    Swin's levels attend to each other, and the stem's map to them, by deformable attention. Both
    are then fused, by 3×3 convolutions, with what they were (Li et al., arXiv 2203.14211)::

        1/4 … 1/32 ── 1×1 ──┬─────────────────────────────────── (cat) 3×3 ── 1/4 … 1/32
                            └── 1×1 ── self-attention ────┬────────┘
                                                          │ values
        1/2 ───────── 1×1 ──┬── 1×1 ── cross-attention ───┴────────┐
                            └─────────────────────────────────── (cat) 3×3 ── 1/2

    mmcv's ``MultiScaleDeformableAttention`` runs on the CPU too.

    Args:
        in_channels: Channels of the stem's map and of Swin's levels, the finest first, and of what
            is made of each.
        embed_dims: Channels in which attention works.
        num_heads, num_points: Of the attention; points are those of each head in each level.
        positional_encoding: Of a place in its map; without ``num_feats``, it gets half of
            ``embed_dims`` for each axis. mmdet's sines unless given, which mmdet must be there for.
        norm_cfg: The norm of every convolution.
    """

    def __init__(
        self,
        in_channels: list[int],
        embed_dims: int = 256,
        num_heads: int = 8,
        num_points: int = 8,
        positional_encoding: dict | None = None,
        norm_cfg: dict | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        # all else of MMSegmentation can do without compiled operators
        from mmcv.ops import MultiScaleDeformableAttention

        super().__init__(init_cfg)
        self.in_channels = in_channels
        norm = dict(norm_cfg=norm_cfg or dict(type='BN'))
        self.laterals = nn.ModuleList(ConvModule(c, c, 1, **norm) for c in in_channels)
        self.projections = nn.ModuleList(ConvModule(c, embed_dims, 1, **norm) for c in in_channels)
        self.fusions = nn.ModuleList(
            ConvModule(c + embed_dims, c, 3, padding=1, **norm) for c in in_channels
        )
        self.positions = MODELS.build(
            dict(num_feats=embed_dims // 2) | (positional_encoding or POSITIONS)
        )
        num_levels = len(in_channels) - 1
        self.level_embed = nn.Parameter(torch.zeros(num_levels, embed_dims))
        self.reference_points = nn.Linear(embed_dims, 2)
        attention = dict(
            embed_dims=embed_dims,
            num_heads=num_heads,
            num_levels=num_levels,
            num_points=num_points,
            batch_first=True,
        )
        self.self_attention = MultiScaleDeformableAttention(**attention)
        self.cross_attention = MultiScaleDeformableAttention(**attention)

    def init_weights(self) -> None:
        super().init_weights()
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                xavier_init(module, distribution='uniform')
        nn.init.normal_(self.level_embed)
        self.self_attention.init_weights()
        self.cross_attention.init_weights()

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The stem's map and Swin's levels, finest first, to maps of the same shapes."""
        check_num_levels(inputs, len(self.in_channels))
        maps = [conv(x) for conv, x in zip(self.laterals, inputs, strict=True)]
        stem, *levels = [conv(x) for conv, x in zip(self.projections, maps, strict=True)]
        sizes = [x.shape[-2:] for x in levels]
        shapes = torch.tensor([list(size) for size in sizes], device=stem.device)
        starts = torch.cat((shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]))
        where = dict(spatial_shapes=shapes, level_start_index=starts)
        memory = self._aggregate(levels, where)
        parts = memory.split([h * w for h, w in sizes], dim=1)
        attended = [
            self._interact(stem, memory, where),
            *(_to_map(part, size) for part, size in zip(parts, sizes, strict=True)),
        ]
        pairs = zip(attended, maps, strict=True)
        return tuple(
            conv(torch.cat(pair, 1)) for conv, pair in zip(self.fusions, pairs, strict=True)
        )

    def _aggregate(self, levels: list[Tensor], where: dict) -> Tensor:
        """Levels, (N, C, h, w) each, to the tokens of all of them, (N, sum of hw, C)."""
        places = [
            self._places(x) + embedding
            for x, embedding in zip(levels, self.level_embed, strict=True)
        ]
        points = torch.cat([_centres(x) for x in levels])
        return self.self_attention(
            torch.cat([_to_tokens(x) for x in levels], 1),
            query_pos=torch.cat(places, 1),
            reference_points=self._in_every_level(points),
            **where,
        )

    def _interact(self, stem: Tensor, memory: Tensor, where: dict) -> Tensor:
        """The stem's map, (N, C, H, W), after it looked at the levels' tokens, of its shape."""
        places = self._places(stem)
        points = self.reference_points(places[0]).sigmoid()
        tokens = self.cross_attention(
            _to_tokens(stem),
            value=memory,
            query_pos=places,
            reference_points=self._in_every_level(points),
            **where,
        )
        return _to_map(tokens, stem.shape[-2:])

    def _places(self, x: Tensor) -> Tensor:
        """The encoding of every place of a map, (1, hw, C)."""
        nowhere_masked = x.new_zeros((1, *x.shape[-2:]), dtype=torch.bool)
        return _to_tokens(self.positions(nowhere_masked)).to(x.dtype)

    def _in_every_level(self, points: Tensor) -> Tensor:
        """(K, 2) to (1, K, levels, 2): the same points, as parts of width and height."""
        return points[None, :, None].expand(-1, -1, len(self.level_embed), -1)


def _to_tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def _to_map(tokens: Tensor, size: torch.Size) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, size)


def _centres(x: Tensor) -> Tensor:
    """(hw, 2): (x, y) of every pixel's centre, as parts of width and height."""
    h, w = x.shape[-2:]
    columns = (torch.arange(w, device=x.device) + 0.5) / w
    rows = (torch.arange(h, device=x.device) + 0.5) / h
    return torch.cartesian_prod(rows, columns).flip(1)
