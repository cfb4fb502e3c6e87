from torch import Tensor, nn
from torch.nn.functional import batch_norm

from ..ops import carafe
from ..ops.tensors import pixel_shuffle
from .init import constant_init, xavier_init
from .pointwise import Pointwise
from .reassembly import GuidedReassembly
from .registry import register


@register
class IndexNet(GuidedReassembly):
    """Indices Matter (Lu et al., ICCV 2019): holistic indices, with context.

    A convolution over the finer feature, of a cell and half a cell around it, makes an index in
    0..1 for every output position, one for all channels. The feature, upsampled to the nearest
    pixel, is multiplied by it: a reassembly by kernels of size 1. The convolutions start
    Xavier-uniform.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        guide_channels: Channels Cf of the guide; C where it is None.
        backend: Passed to :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after that start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A number is below 1.
    """

    variants = {'indexnet': {}}

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        guide_channels: int | None = None,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, guide_channels, 1, backend, init_cfg)
        hidden, around = 2 * self.guide_channels, scale_factor // 2
        self.indexnet = nn.Sequential(
            nn.Conv2d(
                self.guide_channels,
                hidden,
                scale_factor + 2 * around,
                scale_factor,
                around,
                bias=False,
            ),
            _BatchNorm(hidden),
            nn.ReLU6(inplace=True),
            Pointwise(hidden, scale_factor**2, bias=False),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        first, norm, _, last = self.indexnet
        for conv in (first, last):
            xavier_init(conv)
        constant_init(norm, 1)
        norm.reset_running_stats()

    def kernels(self, x: Tensor, guide: Tensor) -> Tensor:
        """The indices, (N, 1, sH, sW)."""
        return pixel_shuffle(self.indexnet(guide), self.scale_factor).sigmoid()

    def reassemble(self, x: Tensor, guide: Tensor) -> Tensor:
        return carafe(x, self.kernels(x, guide), 1, self.scale_factor, self.backend)


class _BatchNorm(nn.BatchNorm2d):
    """PyTorch's; fewer than two values a channel have no variance and leave the running one."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() < 2 * x.shape[1]:
            return batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0, self.eps
            )
        return super().forward(x)
