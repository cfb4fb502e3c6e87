import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import point_sample
from ..ops.backends import warn_once
from ..ops.checks import check_divides, check_input
from ..ops.tensors import compute_dtype, pixel_shuffle, pixel_unshuffle
from .base import Upsampler
from .init import constant_init, normal_init, xavier_init
from .points import CellSampling, cells_as_points
from .pointwise import Pointwise
from .registry import register


@register
class DySample(CellSampling, Upsampler):
    """Learning to Upsample by Learning to Sample (Liu et al., ICCV 2023).

    Every output position takes one bilinear sample of the feature, at a position that a 1×1
    convolution offsets from the bilinear start; at initialization this is bilinear interpolation
    but for offsets of a few thousandths. The paper's four variants:

    ============ ======= ======== =========
    name         style   groups   dyscope
    ============ ======= ======== =========
    DySample     'lp'    4        False
    DySample+    'lp'    4        True
    DySample-S   'pl'    8        False
    DySample-S+  'pl'    8        True
    ============ ======= ======== =========

    Checkpoints of the authors load, those with ``scope.bias`` too: the bias is then added to the
    module. An optimizer that was made before does not know it; ``scope_bias=True`` has it from the
    start, to be trained too.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        style: 'lp' makes the offsets at low resolution (linear, then pixel shuffle), 'pl' at
            high resolution (pixel shuffle, then linear) with s² fewer channels.
        groups: Groups of channels that share their offsets, g; divides C.
        dyscope: Scales the offsets by 0.5·sigmoid of a second convolution (equation 5) instead
            of 0.25.
        learnable_scope: Scales them by 0.5·sigmoid(ℓ), one learned number that starts at 0.25.
        content_encoder: Offsets come from an encoded feature (1×1 to max(C/2, 16), ReLU, 3×3 to
            C); sampled is the feature itself still.
        gate: Blends with bilinear upsampling by a learned map in 0..1.
        scope_bias: Gives that second convolution a bias, as the authors' COCO checkpoints have.
        backend: Passed to :func:`mmdyup.ops.point_sample`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The style is unknown, channels do not divide, ``learnable_scope`` and
            ``dyscope`` are both asked for, or ``scope_bias`` without ``dyscope``.
    """

    variants = {
        'dysample': {},
        'dysample_plus': dict(dyscope=True),
        'dysample_s': dict(style='pl', groups=8),
        'dysample_s_plus': dict(style='pl', groups=8, dyscope=True),
    }

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        style: str = 'lp',
        groups: int = 4,
        dyscope: bool = False,
        learnable_scope: bool = False,
        content_encoder: bool = False,
        gate: bool = False,
        scope_bias: bool = False,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, init_cfg)
        if style not in ('lp', 'pl'):
            raise ValueError(f"style must be 'lp' or 'pl', but it is {style!r}.")
        if dyscope and learnable_scope:
            raise ValueError(
                'dyscope and learnable_scope are two ways to scale the offsets; choose one of them.'
            )
        if scope_bias and not dyscope:
            raise ValueError('scope_bias=True is the bias of a scope; add dyscope=True.')
        check_divides('groups', groups, in_channels)
        self.style = style
        self.groups = groups
        self.backend = backend
        offset_in, offset_out = in_channels, 2 * groups * scale_factor**2
        if style == 'pl':
            check_divides('scale_factor²', scale_factor**2, in_channels)
            offset_in, offset_out = in_channels // scale_factor**2, 2 * groups
        self.offset = Pointwise(offset_in, offset_out)
        self.scope = Pointwise(offset_in, offset_out, scope_bias) if dyscope else None
        self.scope_logit = nn.Parameter(torch.zeros(())) if learnable_scope else None
        self.content_encoder = self._content_encoder() if content_encoder else None
        self.gate = self._gate() if gate else None
        self.register_buffer('init_pos', torch.empty(1, 2 * groups * scale_factor**2, 1, 1))
        self.reset_parameters()

    def _content_encoder(self) -> nn.Module:
        hidden = max(self.in_channels // 2, 16)
        return nn.Sequential(
            Pointwise(self.in_channels, hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, self.in_channels, 3, padding=1),
        )

    def _gate(self) -> nn.Module:
        hidden = max(self.in_channels // 4, 8)
        return nn.Sequential(
            Pointwise(self.in_channels, hidden),
            nn.ReLU(inplace=True),
            Pointwise(hidden, 1),
            nn.Sigmoid(),
        )

    def reset_parameters(self) -> None:
        self.init_pos.copy_(bilinear_start(self.scale_factor, self.groups))
        normal_init(self.offset, std=0.001)
        if self.scope is not None:
            constant_init(self.scope, 0)
        if self.scope_logit is not None:
            nn.init.zeros_(self.scope_logit)
        for branch in filter(None, (self.content_encoder, self.gate)):
            for layer in branch:
                xavier_init(layer)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW), in the dtype and memory format of ``x``."""
        check_input(self, 'x', x, self.in_channels)
        offset, scope = self._offset_and_scope(x)
        y = point_sample(
            x,
            offset,
            self.scale_factor,
            self.groups,
            backend=self.backend,
            scale=scope,
            start=self.init_pos,
        )
        gate = self.gates(x)
        return y if gate is None else torch.lerp(self._bilinear(x), y, gate.to(y.dtype))

    def offsets(self, x: Tensor) -> Tensor:
        """Offsets for :func:`mmdyup.ops.point_sample`, the start included.

        These are 0.25·linear(x) + start (equation 4), or with a scope 0.5·σ(scope)·linear(x) +
        start (equation 5).

        Args:
            x: (N, C, H, W).

        Returns:
            (N, 2·g·s², H, W), in low-resolution pixels, float32 at least. Channels are ordered by
            coordinate (x, then y), group, place; :meth:`points` has them as positions.
        """
        offset, scope = self._offset_and_scope(x)
        # half precision holds the small offsets, but not their sum with the start
        offset = scope * offset.to(compute_dtype(offset))
        return offset + self.init_pos.to(offset.dtype)

    def scopes(self, x: Tensor) -> Tensor:
        """What the linear layer's offsets are multiplied by, in 0..0.5.

        With ``dyscope`` it is 0.5·σ(scope) (equation 5), with ``learnable_scope`` one learned
        number everywhere, else 0.25 everywhere.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, g, 1, 2, sH, sW), for the column and the row of every point, float32 at least.
        """
        if self.scope is None:
            logit = x.new_zeros(()) if self.scope_logit is None else self.scope_logit
            (n, _, h, w), channels = x.shape, self.init_pos.shape[1]
            logit = logit.expand(n, channels, h, w)
        else:
            logit = self._by_cell(self.scope(self._encoded(x)))
        scopes = 0.5 * logit.to(compute_dtype(logit)).sigmoid()
        return cells_as_points(scopes, self.scale_factor, self.groups)

    def gates(self, x: Tensor) -> Tensor | None:
        """The share of what is sampled; the rest is bilinear interpolation.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, 1, sH, sW) in 0..1, or None without ``gate``.
        """
        return None if self.gate is None else self._bilinear(self.gate(x))

    def _bilinear(self, x: Tensor) -> Tensor:
        return F.interpolate(
            x, scale_factor=self.scale_factor, mode='bilinear', align_corners=False
        )

    def _offset_and_scope(self, x: Tensor) -> tuple[Tensor, float]:
        """Offsets, (N, 2·g·s², H, W), and the number that scales them before the start is added."""
        z = self._encoded(x)
        offset, scope = self.offset(z), 0.25
        logit = self._scope_logit(z)
        if logit is not None:
            dtype = compute_dtype(offset)
            offset, scope = logit.to(dtype).sigmoid() * offset.to(dtype), 0.5
        return self._by_cell(offset), scope

    def _encoded(self, x: Tensor) -> Tensor:
        """What the linear layers see."""
        if self.content_encoder is not None:
            x = self.content_encoder(x)
        return pixel_shuffle(x, self.scale_factor) if self.style == 'pl' else x

    def _scope_logit(self, z: Tensor) -> Tensor | None:
        return self.scope_logit if self.scope is None else self.scope(z)

    def _by_cell(self, z: Tensor) -> Tensor:
        """What a linear layer gives, as (N, 2·g·s², H, W)."""
        return pixel_unshuffle(z, self.scale_factor) if self.style == 'pl' else z

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        # the authors' published checkpoints have it
        bias = state_dict.get(f'{prefix}scope.bias')
        if bias is not None and self.scope is not None and self.scope.bias is None:
            self.scope.bias = nn.Parameter(torch.zeros_like(self.scope.weight[:, 0, 0, 0]))
            warn_once(
                'The checkpoint has a scope.bias, which an optimizer that was made before does not '
                'train; to train it, add scope_bias=True to the DySample of your config.'
            )
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, style={self.style!r}, groups={self.groups}'


def bilinear_start(scale_factor: int, groups: int) -> Tensor:
    """Offsets that make bilinear interpolation: (1, 2·groups·s², 1, 1), float32.

    Place (i, j) of a cell starts at ((j − (s−1)/2)/s, (i − (s−1)/2)/s) low-resolution pixels
    from its centre.
    """
    steps = (torch.arange(scale_factor) - (scale_factor - 1) / 2) / scale_factor
    y, x = torch.meshgrid(steps, steps, indexing='ij')
    start = torch.stack((x, y)).flatten(1)[:, None].expand(-1, groups, -1)
    return start.reshape(1, -1, 1, 1)
