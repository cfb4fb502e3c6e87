"""An upsampler in one file, and its tests: what CONTRIBUTING.md shows."""

from torch import Tensor, nn

from mmdyup.ops import carafe
from mmdyup.testing import UpsamplerContract
from mmdyup.upsamplers import Upsampler, register


@register
class Blur(Upsampler):
    """Every output position is a weighted mean of 3×3 pixels, with weights that one layer makes."""

    variants = {'blur': {}}

    def __init__(self, in_channels: int, scale_factor: int = 2, backend: str = 'auto') -> None:
        super().__init__(in_channels, scale_factor)
        self.backend = backend
        self.weigh = nn.ConvTranspose2d(in_channels, 9, scale_factor, stride=scale_factor)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weigh.weight, std=0.001)
        nn.init.zeros_(self.weigh.bias)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW)."""
        kernels = self.weigh(x)
        return carafe(x, kernels, 1, self.scale_factor, self.backend, softmax=True)


class TestBlur(UpsamplerContract):
    cfg = dict(type='Blur')

    def reference(self, upsampler, x, guide):
        kernels = upsampler.weigh(x).softmax(1)
        return carafe(x, kernels, 1, upsampler.scale_factor, 'reference')
