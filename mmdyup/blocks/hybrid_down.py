from torch import Tensor, nn

from .layers import ConvBNAct, Gate, squeezed_path


class HybridDown(ConvBNAct):
    """Downsampling by a strided convolution and, beside it, a path that loses no pixel.

    Conv(x) + beta·path(x). The path is that of :class:`SPDConvLite` with a 3×3 kernel. beta is 0
    at the start, where the block is its Conv bit for bit; the state of that Conv fits. The two lie
    half a pixel apart: a 3×3 kernel of stride 2 is centred on the first pixel of a cell, the path
    on the cell.

    Args:
        c1: Channels that come in.
        c2: Channels that go out.
        k: Size of the convolution's kernel, odd.
        s: Downsampling ratio.
        ratio: Channels of the path, as a part of c2; 16 at least.

    Raises:
        TypeError: A number has the wrong type.
        ValueError: It is out of range, or ``k`` is even.
    """

    def __init__(self, c1: int, c2: int, k: int = 3, s: int = 2, ratio: float = 0.25) -> None:
        super().__init__(c1, c2, k, s)
        _add_path(self, c1, c2, s, ratio)

    def forward(self, x: Tensor) -> Tensor:
        """(N, c1, H, W) to (N, c2, ⌈H/s⌉, ⌈W/s⌉)."""
        return super().forward(x) + self.beta(self.path(x))

    @staticmethod
    def beside(conv: nn.Module, c1: int, c2: int, s: int = 2, ratio: float = 0.25) -> nn.Module:
        """Makes any convolution module do the same: its names stay, its result gets the path's.

        Args:
            conv: Takes (N, c1, H, W) to (N, c2, ⌈H/s⌉, ⌈W/s⌉).
            c1, c2, s, ratio: As in the constructor.

        Returns:
            ``conv``, with ``path`` and ``beta`` in it.
        """
        _add_path(conv, c1, c2, s, ratio)
        conv.register_forward_hook(_plus_path)
        return conv


def _add_path(conv: nn.Module, c1: int, c2: int, s: int, ratio: float) -> None:
    conv.path = squeezed_path(c1, c2, 3, s, ratio)
    conv.beta = Gate()


def _plus_path(conv: nn.Module, inputs: tuple[Tensor], y: Tensor) -> Tensor:
    return y + conv.beta(conv.path(inputs[0]))
