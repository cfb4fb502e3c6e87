import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops.backends import is_exported
from ..ops.tensors import compute_dtype, is_channels_last


class Pointwise(nn.Conv2d):
    """A 1×1 convolution.

    It is PyTorch's, but on a CPU: there it is a product of matrices, whose gradient takes half to
    two thirds of the time.

    Args:
        in_channels: Channels of the map.
        out_channels: Channels of the result.
        bias: Whether a bias is added.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H, W), in the memory format of ``x``."""
        if x.device.type != 'cpu' or x.dtype is not compute_dtype(x) or is_exported():
            return super().forward(x)
        matrix = self.weight.flatten(1)
        if is_channels_last(x):
            return F.linear(x.permute(0, 2, 3, 1), matrix, self.bias).permute(0, 3, 1, 2)
        matrix, pixels = matrix.expand(len(x), -1, -1), x.flatten(2)
        if self.bias is None:
            y = torch.bmm(matrix, pixels)
        else:
            y = torch.baddbmm(self.bias[:, None], matrix, pixels)
        return y.unflatten(2, x.shape[2:])
