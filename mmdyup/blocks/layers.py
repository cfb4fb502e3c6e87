"""What the blocks are made of."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ..ops.backends import is_exporting
from ..ops.checks import check_input, check_map, check_number, check_odd, check_positive_int
from ..ops.tensors import pixel_unshuffle


class ConvBNAct(nn.Module):
    """A convolution without bias, BatchNorm, SiLU.

    States have the names of Ultralytics' ``Conv`` and of mmcv's ``ConvModule``.

    Args:
        c1: Channels that come in.
        c2: Channels that go out.
        k: Size of the kernel, odd; the padding is k // 2.
        s: Stride.
        groups: Groups of the convolution.

    Raises:
        TypeError: A number is not an integer.
        ValueError: It is below 1, or ``k`` is even.
    """

    def __init__(self, c1: int, c2: int, k: int = 1, s: int = 1, groups: int = 1) -> None:
        super().__init__()
        check_positive_int('c1', c1)
        check_positive_int('c2', c2)
        check_odd('k', k)
        check_positive_int('s', s)
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(c2)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, c1, H, W) to (N, c2, ⌈H/s⌉, ⌈W/s⌉)."""
        check_input(self, 'x', x, self.conv.in_channels)
        return self.act(self.bn(self.conv(x)))


class SpaceToDepth(nn.Module):
    """Cells of s × s pixels become pixels of s² times the channels; nothing is lost.

    Where the size is no multiple of s, zeros are added to the right and below.

    Args:
        s: Height and width of a cell.
    """

    def __init__(self, s: int) -> None:
        super().__init__()
        check_positive_int('s', s)
        self.s = s

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C·s², ⌈H/s⌉, ⌈W/s⌉); channel c·s² + i·s + j is place (i, j)."""
        check_map('x', x)
        h, w = x.shape[-2:]
        padding = (0, -w % self.s, 0, -h % self.s)
        # a graph for any size holds the padding, not whether this size needs it
        if torch.jit.is_tracing() or is_exporting() or any(padding):
            x = F.pad(x, padding)
        return pixel_unshuffle(x, self.s)

    def extra_repr(self) -> str:
        return f's={self.s}'


class Gate(nn.Module):
    """Multiplies by one learned number, 0 at the start.

    Weight decay would pull the number back to 0. It is called ``bias``, as optimizers tell by that
    name what they do not decay: Ultralytics' always, mmengine's with
    ``paramwise_cfg=dict(bias_decay_mult=0.)``.
    """

    def __init__(self) -> None:
        super().__init__()
        # a number, not a vector of one: autocast keeps the dtype of what it multiplies
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.bias * x


def squeezed_path(c1: int, c2: int, k: int, s: int, ratio: float) -> nn.Sequential:
    """Space to depth, 1×1 to h channels, depthwise k × k, 1×1 to c2; h = max(16, ⌊ratio·c2⌋)."""
    check_number('ratio', ratio)
    if not 0 < ratio < math.inf:
        raise ValueError(f'ratio must be above 0 and finite, but it is {ratio}.')
    check_positive_int('c1', c1)
    check_positive_int('c2', c2)
    h = max(16, int(c2 * ratio))
    return nn.Sequential(
        SpaceToDepth(s),
        ConvBNAct(c1 * s**2, h),
        ConvBNAct(h, h, k, groups=h),
        ConvBNAct(h, c2),
    )


def fuse(model: nn.Module) -> nn.Module:
    """Folds the BatchNorm of every block in ``model`` into its convolution, in place.

    The blocks then compute what they do in evaluation, branches included. Ultralytics' ``fuse``
    knows its own layers only and leaves the blocks as they are.

    Args:
        model: A block, or what holds blocks; other layers stay as they are.

    Returns:
        ``model``.
    """
    for module in model.modules():
        if isinstance(module, ConvBNAct) and not isinstance(module.bn, nn.Identity):
            conv, bn = module.conv, module.bn
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
            )
            module.bn = nn.Identity()
    return model
