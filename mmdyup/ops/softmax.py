import torch
from torch import Tensor


def softmax_kernels(logits: Tensor, groups: int) -> Tensor:
    """Softmax over each group's k² channels of (N, groups·k², H, W)."""
    if groups == 1:
        return logits.softmax(1)
    if torch.jit.is_tracing():  # whose ONNX graphs freeze the sizes that a view is given
        return torch.cat([part.softmax(1) for part in logits.chunk(groups, 1)], 1)
    return logits.unflatten(1, (groups, -1)).softmax(2).flatten(1, 2)
