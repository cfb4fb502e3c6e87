from torch import Tensor


def softmax_kernels(logits: Tensor, groups: int) -> Tensor:
    """Softmax over each group's k² channels of (N, groups·k², H, W)."""
    return logits.unflatten(1, (groups, -1)).softmax(2).flatten(1, 2)
