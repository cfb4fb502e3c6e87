import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..ops import attend
from ..ops.attention import point_weights
from ..ops.backends import is_traced
from ..ops.checks import check_divides, check_input, check_number, check_odd, check_positive_int
from ..ops.tensors import compute_dtype
from .base import Upsampler
from .init import constant_init, xavier_init
from .points import Sampling, pairs_as_points
from .pointwise import Pointwise
from .registry import register


@register
class LDAAQU(Sampling, Upsampler):
    """Local Deformable Attention as Adaptive Query-guided Upsampler (LDA-AQU, Du et al., MM 2024).

    The feature itself, upsampled bilinearly, makes queries; each looks at k² points around its
    position on the fine grid, which it moves itself by at most ``range_factor`` fine pixels. The
    authors' checkpoints load.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        reduction_factor: Queries and keys have C / ``reduction_factor`` channels.
        groups: Groups of channels with points of their own, G; C is a multiple of
            ``reduction_factor`` · G.
        up_kernel: Size k of the window of points, odd.
        range_factor: How far a point may move, in pixels of the result.
        backend: Passed to :func:`mmdyup.ops.attend`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer, or the range is no number.
        ValueError: Channels do not divide, or the kernel size is even.
    """

    variants = {'lda_aqu': {}}

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        reduction_factor: int = 4,
        groups: int = 2,
        up_kernel: int = 3,
        range_factor: float = 11,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, init_cfg)
        check_positive_int('reduction_factor', reduction_factor)
        check_positive_int('groups', groups)
        check_divides('reduction_factor·groups', reduction_factor * groups, in_channels)
        check_odd('up_kernel', up_kernel)
        check_number('range_factor', range_factor)
        self.groups = groups
        self.up_kernel = up_kernel
        self.range_factor = range_factor
        self.backend = backend
        embed, points = in_channels // reduction_factor, up_kernel**2
        group = embed // groups
        self.layer_norm = _LayerNorm(in_channels)
        self.proj_q = Pointwise(in_channels, embed, bias=False)
        self.proj_k = Pointwise(in_channels, embed, bias=False)
        self.conv_offset = nn.Sequential(
            nn.Conv2d(group, group, 3, padding=1, groups=group, bias=False),
            _LayerNorm(group),
            nn.GELU(),
            nn.Conv2d(group, 2 * points, 3, padding=1),
        )
        self.relative_position_bias_table = nn.Parameter(torch.empty(points, embed))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                xavier_init(module)
            elif isinstance(module, nn.LayerNorm):
                constant_init(module, 1)
        constant_init(self.conv_offset[-1], 0)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW), in the dtype and memory format of ``x``."""
        check_input(self, 'x', x, self.in_channels)
        query, key, bias = self._compared(x)
        positions = self.positions(x, query)
        return attend(query, key, x, positions, self.groups, 1, bias, self.backend)

    def _compared(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The query, (N, D, sH, sW), the key, (N, D, H, W), and the bias of logits."""
        normed = self.layer_norm(x)
        query, key = self._query(normed), self.proj_k(normed)
        # on the side of the small maps: it scales the logits
        scale = key.shape[1] ** -0.5
        key = scale * key.to(compute_dtype(key))
        # ⟨q, key + b⟩ is the product with the key, and one with the table that no position changes
        table = self.relative_position_bias_table[..., None, None]
        bias = F.conv2d(query, scale * table.to(query.dtype))
        return query, key, bias

    def _query(self, normed: Tensor) -> Tensor:
        return F.interpolate(
            self.proj_q(normed), scale_factor=self.scale_factor, mode='bilinear', align_corners=True
        )

    def positions(self, x: Tensor, query: Tensor) -> Tensor:
        """The points for :func:`mmdyup.ops.attend`, (N, 2·G·k², sH, sW), float32 at least."""
        pairs = self._moves(query)
        start = self._window(query)
        return self._joined(self._step(x, query, pairs.dtype) * (pairs + start), query)

    def _moves(self, query: Tensor) -> Tensor:
        """What the points move themselves by, (N·G, k², 2, sH, sW), in pixels of the result."""
        n, c, h, w = query.shape
        groups = self.groups
        others = self.conv_offset[1:]
        small = self.conv_offset[0](query.reshape(n * groups, c // groups, h, w))
        if torch.is_grad_enabled() and not is_traced():
            # what the layers after it keep is three times its result, and made in little time
            offsets = checkpoint(others, small, use_reentrant=False)
        else:
            offsets = others(small)
        offsets = offsets.to(compute_dtype(offsets)).tanh()
        # the authors have the row before the column
        return self.range_factor * offsets.unflatten(1, (self.up_kernel**2, 2)).flip(2)

    def _joined(self, pairs: Tensor, query: Tensor) -> Tensor:
        """(N·G, k², 2, sH, sW) to (N, 2·G·k², sH, sW)."""
        n, _, h, w = query.shape
        return pairs.reshape(n, 2 * self.groups * self.up_kernel**2, h, w)

    def _window(self, query: Tensor) -> Tensor:
        """The k² points around every position of the fine grid, (k², 2, sH, sW)."""
        k, (h, w), device = self.up_kernel, query.shape[-2:], query.device
        taps = torch.arange(k, device=device) - k // 2
        columns = torch.arange(w, device=device) + taps.repeat(k)[:, None, None]
        rows = torch.arange(h, device=device)[:, None] + taps.repeat_interleave(k)[:, None, None]
        return torch.stack(torch.broadcast_tensors(columns, rows), 1)

    def _step(self, x: Tensor, query: Tensor, dtype: torch.dtype) -> Tensor:
        """A pixel of the result in pixels of ``x``, (2, 1, 1): corners of both maps coincide."""
        # sizes are tensors, which a traced graph does not freeze
        size, large = (
            torch.stack([torch.full((), m, dtype=dtype, device=x.device) for m in z.shape[:1:-1]])
            for z in (x, query)
        )
        return ((size - 1) / (large - 1).clamp(min=1))[:, None, None]

    def offsets(self, x: Tensor) -> Tensor:
        """How far the points are moved from a fixed window: range·tanh(conv(query)).

        Args:
            x: (N, C, H, W).

        Returns:
            (N, 2·G·k², sH, sW), pairs (x, y) in low-resolution pixels, point by point, group by
            group, float32 at least.
        """
        query = self._query(self.layer_norm(x))
        pairs = self._moves(query)
        return self._joined(self._step(x, query, pairs.dtype) * pairs, query)

    def points(self, x: Tensor) -> Tensor:
        """Where every output position samples.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, G, k², 2, sH, sW), columns and rows in pixels of ``x``, float32 at least. Outside of
            the map the feature is 0.
        """
        return pairs_as_points(self.positions(x, self._query(self.layer_norm(x))), self.groups)

    def start_points(self, x: Tensor) -> Tensor:
        """The fixed window, (1, 1, k², 2, sH, sW), in pixels of ``x``: a step is one of the result.

        Args:
            x: (N, C, H, W).
        """
        query = self._query(self.layer_norm(x))
        step = self._step(x, query, compute_dtype(x))
        return (step * self._window(query))[None, None]

    def weights(self, x: Tensor) -> Tensor:
        """The shares of the points: softmax over n of ⟨q, k(pₙ) + bₙ⟩ / √D.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, 1, k², sH, sW), which all groups share and which sum to one over k², float32 at
            least.
        """
        query, key, bias = self._compared(x)
        positions = self.positions(x, query)
        return point_weights(query, key, positions, self.groups, 1, bias)[:, None]

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        # of five dimensions in the authors' checkpoints, which channels-last could not be asked of
        name = f'{prefix}relative_position_bias_table'
        if name in state_dict:
            table = self.relative_position_bias_table
            state_dict[name] = state_dict[name].reshape(-1, table.shape[1])
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, groups={self.groups}, up_kernel={self.up_kernel}'


class _LayerNorm(nn.Module):
    """Over the channels of (N, C, H, W); the authors' name of the layer within."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
