import torch
from torch import Tensor, nn

from ..ops import neighborhood_scores
from ..ops.checks import check_positive_int
from ..ops.tensors import compute_dtype
from .init import constant_init, normal_init
from .pointwise import Pointwise, normed_pointwise
from .reassembly import GuidedReassembly
from .registry import register

_NORM_GROUPS = 32


class PointAffiliation(GuidedReassembly):
    """What SAPA-B, SAPA-G and SAPA-I share: kernels are similarities (Lu et al., NeurIPS 2022).

    Every position of the finer feature weights the coarse pixels around its cell by how similar
    they are to it, after normalization of both. A subclass defines :meth:`query_and_key`, and sets
    its own layers' start in :meth:`reset_parameters`.

    Args:
        in_channels: Channels C of the feature, a multiple of 32 with ``norm='group'``.
        scale_factor: The upsampling ratio s, 1 or more.
        guide_channels: Channels Cf of the guide, such a multiple too; C where it is None.
        up_kernel: Size k of the reassembly kernels, odd.
        norm: 'group' normalizes 32 groups of channels over all positions, as the authors' later
            code does; 'layer' all channels of each position, as that of the paper does.
        backend: Passed to :func:`mmdyup.ops.neighborhood_scores` and :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The kernel size is even, there is no such ``norm``, or channels are no multiple
            of 32.
    """

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        guide_channels: int | None = None,
        up_kernel: int = 5,
        norm: str = 'group',
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, guide_channels, up_kernel, backend, init_cfg)
        if norm not in _NORMS:
            raise ValueError(f"norm must be 'group' or 'layer', but it is {norm!r}.")
        for name, channels in dict(
            in_channels=in_channels, guide_channels=self.guide_channels
        ).items():
            if norm == 'group' and channels % _NORM_GROUPS:
                raise ValueError(
                    f'SAPA normalizes {_NORM_GROUPS} groups of channels, so {name} '
                    f'must be a multiple of {_NORM_GROUPS}, but it is {channels}.'
                )
        self.norm = norm
        # the authors' names: y is the finer feature
        self.norm_y = _NORMS[norm](self.guide_channels)
        self.norm_x = _NORMS[norm](in_channels)

    def reset_parameters(self) -> None:
        for layer in self.children():
            if isinstance(layer, nn.GroupNorm | nn.LayerNorm):
                constant_init(layer, 1)
            else:
                normal_init(layer, std=0.02)

    def query_and_key(self, x: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """What is compared: (N, D, sH, sW) of the guide, and (N, D, H, W) of the feature."""
        raise NotImplementedError

    def logits(self, x: Tensor, guide: Tensor) -> Tensor:
        query, key = self.query_and_key(x, guide)
        # scores in half precision would be off by percents of a kernel's weight
        return neighborhood_scores(
            query.to(compute_dtype(query)),
            key,
            self.up_kernel,
            self.scale_factor,
            self.backend_of_kernels,
        )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        # The paper's code has nn.Linear where these are 1×1 convolutions. Beside groups such a
        # state would compute something else: there the shapes do not fit.
        for name, _ in self.named_parameters():
            saved = state_dict.get(f'{prefix}{name}')
            if self.norm == 'layer' and saved is not None and saved.dim() == 2:
                state_dict[f'{prefix}{name}'] = saved.view(*saved.shape, 1, 1)
        super()._load_from_state_dict(state_dict, prefix, *args)


class EmbeddedAffiliation(PointAffiliation):
    """What SAPA-B and SAPA-G share: the feature is embedded before it is compared.

    Args:
        in_channels: Channels C of the feature, a multiple of 32 with ``norm='group'``.
        scale_factor: The upsampling ratio s, 1 or more.
        guide_channels: Channels Cf of the guide, such a multiple too; C where it is None.
        up_kernel: Size k of the reassembly kernels, odd.
        embed_channels: Channels in which the two are compared.
        norm: 'group' or 'layer'; see :class:`PointAffiliation`.
        backend: Passed to :func:`mmdyup.ops.neighborhood_scores` and :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The kernel size is even, there is no such ``norm``, or channels are no multiple
            of 32.
    """

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        guide_channels: int | None = None,
        up_kernel: int = 5,
        embed_channels: int = 32,
        norm: str = 'group',
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(
            in_channels, scale_factor, guide_channels, up_kernel, norm, backend, init_cfg
        )
        check_positive_int('embed_channels', embed_channels)
        self.add_queries(embed_channels)
        self.k = Pointwise(in_channels, embed_channels)
        self.reset_parameters()

    def add_queries(self, embed_channels: int) -> None:
        """Adds the layers that make the query."""
        raise NotImplementedError

    def embed(self, z: Tensor, norm: nn.Module, conv: Pointwise) -> Tensor:
        """``z``, normalized and then embedded."""
        return normed_pointwise(z, norm, conv, self.backend_of_kernels)


@register
class SAPA(EmbeddedAffiliation):
    """Similarity-Aware Point Affiliation, SAPA-B (Lu et al., NeurIPS 2022).

    Both features are embedded by a 1×1 convolution. The authors' checkpoints load: those of the
    paper's own code, whose embeddings are ``nn.Linear``, with ``norm='layer'`` and their
    ``embed_channels``; those of their later code with ``norm='group'``.

    Takes the arguments of :class:`EmbeddedAffiliation`.
    """

    variants = {'sapa': {}}

    def add_queries(self, embed_channels: int) -> None:
        self.q = Pointwise(self.guide_channels, embed_channels)

    def query_and_key(self, x: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        return self.embed(guide, self.norm_y, self.q), self.embed(x, self.norm_x, self.k)


class _GroupNorm(nn.GroupNorm):
    """PyTorch's, but for one value a group too, as a 1×1 map may have: that becomes 0."""

    def __init__(self, channels: int) -> None:
        super().__init__(_NORM_GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class _LayerNorm(nn.LayerNorm):
    """Over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


_NORMS = dict(group=_GroupNorm, layer=_LayerNorm)
