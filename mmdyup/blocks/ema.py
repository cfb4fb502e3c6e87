from torch import Tensor, nn

from ..ops.checks import check_divides, check_input, check_positive_int


class EMA(nn.Module):
    """Efficient multi-scale attention with cross-spatial learning (Ouyang et al., ICASSP 2023).

    Every group of c channels is weighed by one map: G · σ(Σ a·B + b·A). A is G times the weights
    of its rows and columns, each channel normalized by itself; B is a 3×3 convolution of G. a and b
    are softmaxes over the channels of the means of A and B. The groups share all weights.

    At the start the map is about one half. Placed bare in a network, the block halves its feature.

    Args:
        in_channels: Channels C.
        groups: Number of groups; must divide C.

    Raises:
        TypeError: A number is not an integer.
        ValueError: It is below 1, or ``groups`` does not divide C.
    """

    def __init__(self, in_channels: int, groups: int = 32) -> None:
        super().__init__()
        check_positive_int('in_channels', in_channels)
        check_divides('groups', groups, in_channels)
        self.in_channels = in_channels
        self.groups = groups
        c = in_channels // groups
        self.conv1x1 = nn.Conv2d(c, c, 1)
        self.conv3x3 = nn.Conv2d(c, c, 3, padding=1)
        self.gn = nn.GroupNorm(c, c)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        check_input(self, 'x', x, self.in_channels)
        grouped = x.unflatten(1, (self.groups, -1))
        maps = grouped.flatten(0, 1)
        rows = self.conv1x1(maps.mean(3, keepdim=True)).sigmoid()
        columns = self.conv1x1(maps.mean(2, keepdim=True)).sigmoid()
        first = self.gn(maps * rows * columns)
        second = self.conv3x3(maps)
        weights = (_weights(first) * second + _weights(second) * first).sum(1).sigmoid()
        # autocast makes them float32
        weights = weights.to(x.dtype).unflatten(0, (-1, self.groups)).unsqueeze(2)
        return (grouped * weights).flatten(1, 2)

    def extra_repr(self) -> str:
        return f'in_channels={self.in_channels}, groups={self.groups}'


def _weights(maps: Tensor) -> Tensor:
    return maps.mean((2, 3), keepdim=True).softmax(1)
