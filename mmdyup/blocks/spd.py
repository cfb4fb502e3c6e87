from torch import Tensor, nn

from ..ops.checks import check_positive_int
from .ema import EMA
from .layers import ConvBNAct, Gate, SpaceToDepth, squeezed_path


class SPDConv(nn.Module):
    """Downsampling by space to depth and a convolution of stride 1.

    No More Strided Convolutions or Pooling (Sunkara & Luo, ECML PKDD 2022). With k = 1 it is a
    convolution of s × s kernels and stride s. With k = 3 it has s² times the weights of the
    ``Conv`` that it replaces.

    Args:
        c1: Channels that come in.
        c2: Channels that go out.
        k: Size of the kernel, odd.
        s: Downsampling ratio.

    Raises:
        TypeError: A number is not an integer.
        ValueError: It is below 1, or ``k`` is even.
    """

    def __init__(self, c1: int, c2: int, k: int = 3, s: int = 2) -> None:
        super().__init__()
        check_positive_int('c1', c1)
        self.cells = SpaceToDepth(s)
        self.conv = ConvBNAct(c1 * s**2, c2, k)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c1, H, W) to (N, c2, ⌈H/s⌉, ⌈W/s⌉)."""
        return self.conv(self.cells(x))


class SPDConvLite(nn.Module):
    """Downsampling by space to depth and a narrow depthwise path, y + alpha·(EMA(y) − y).

    alpha is 0 at the start. The path has max(16, ⌊ratio·c2⌋) channels for s²·c1 values of a cell:
    it is cheap, not lossless.

    Args:
        c1: Channels that come in.
        c2: Channels that go out.
        k: Size of the depthwise kernel, odd.
        s: Downsampling ratio.
        ratio: Channels of the path, as a part of c2.
        groups: Groups of :class:`EMA`; must divide c2.

    Raises:
        TypeError: A number has the wrong type.
        ValueError: It is out of range, ``k`` is even, or ``groups`` does not divide c2.
    """

    def __init__(
        self, c1: int, c2: int, k: int = 3, s: int = 2, ratio: float = 0.5, groups: int = 16
    ) -> None:
        super().__init__()
        self.path = squeezed_path(c1, c2, k, s, ratio)
        self.ema = EMA(c2, groups)
        self.alpha = Gate()

    def forward(self, x: Tensor) -> Tensor:
        """(N, c1, H, W) to (N, c2, ⌈H/s⌉, ⌈W/s⌉)."""
        y = self.path(x)
        return y + self.alpha(self.ema(y) - y)
