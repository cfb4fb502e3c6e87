import torch
from torch import Tensor, nn

from ..ops.checks import check_input, check_positive_int
from .layers import Gate


class MSCA(nn.Module):
    """Multi-scale context attention; not SegNeXt's block of that name.

    Four depthwise branches of different reach are merged by a 1×1 convolution of four groups, and
    weighed by channel: t. The result is x + ga·t + gg·x·σ(t); ga and gg, the gates, are 0 at the
    start, where the block is the identity.

    As published, each group of the convolution sees one branch alone, so that nothing is merged.
    ``shuffle`` interleaves the branches' channels before it, and every group sees all four. It adds
    no weights: states fit either way, but mean something else.

    Args:
        in_channels: Channels C, a multiple of 4.
        reduction: The channel weights come from C / ``reduction`` hidden channels, 4 at least.
        shuffle: Whether to interleave the branches' channels.

    Raises:
        TypeError: A number is not an integer.
        ValueError: It is below 1, or C is no multiple of 4.
    """

    def __init__(self, in_channels: int, reduction: int = 8, shuffle: bool = False) -> None:
        super().__init__()
        check_positive_int('in_channels', in_channels)
        check_positive_int('reduction', reduction)
        if in_channels % 4:
            raise ValueError(f'in_channels must be a multiple of 4, but it is {in_channels}.')
        self.shuffle = shuffle
        c, hidden = in_channels, max(in_channels // reduction, 4)
        self.branches = nn.ModuleList(
            (
                _depthwise(c, 5, 5),
                nn.Sequential(_depthwise(c, 1, 7), _depthwise(c, 7, 1)),
                _depthwise(c, 3, 3, dilation=2),
                _depthwise(c, 3, 3, dilation=3),
            )
        )
        self.merge = nn.Conv2d(4 * c, c, 1, groups=4, bias=False)
        self.local = _depthwise(c, 3, 3, bias=False)
        self.channel_weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(c, hidden, 1),
            nn.SiLU(),
            nn.Conv2d(hidden, c, 1),
            nn.Sigmoid(),
        )
        self.ga, self.gg = Gate(), Gate()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        check_input(self, 'x', x, self.local.in_channels)
        branches = [branch(x) for branch in self.branches]
        if self.shuffle:
            wide = torch.stack(branches, 2).flatten(1, 2)
        else:
            wide = torch.cat(branches, 1)
        merged = self.merge(wide) + self.local(x)
        t = merged * self.channel_weights(merged)
        return x + self.ga(t) + self.gg(x * t.sigmoid())

    def extra_repr(self) -> str:
        return f'shuffle={self.shuffle}'


def _depthwise(
    channels: int, height: int, width: int, dilation: int = 1, bias: bool = True
) -> nn.Conv2d:
    padding = (dilation * (height // 2), dilation * (width // 2))
    return nn.Conv2d(
        channels, channels, (height, width), 1, padding, dilation, groups=channels, bias=bias
    )
