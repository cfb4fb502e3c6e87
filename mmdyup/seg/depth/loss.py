import torch
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ScaleInvariantLoss(nn.Module):
    r"""The scale-invariant loss of DepthFormer (Li et al., arXiv 2203.14211, equation 6).

    .. math:: \sqrt{\operatorname{var} g + 0.15 \, (\operatorname{mean} g)^2}, \quad
        g = \log \text{pred} - \log \text{target}

    over all pixels of the batch whose depth is known. mmseg's ``SiLogLoss`` is the mean of one
    such root for every picture, with another weight of the mean.

    Args:
        loss_weight: Factor of the result.
        loss_name: Its name in the logs; the total holds what starts with 'loss'.
    """

    def __init__(self, loss_weight: float = 1.0, loss_name: str = 'loss_depth') -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """The loss, a float32 scalar; 0 where fewer than two pixels are known.

        Args:
            pred: Depths, positive, of any shape.
            target: Depths of the same shape and unit, 0 where they are not known.
        """
        known = target > 0
        g = pred[known].float().log() - target[known].float().log()
        if g.numel() < 2:
            return pred.sum() * 0
        squared = g.var() + 0.15 * g.mean().square()
        # the root of 0 has no gradient
        return self.loss_weight * squared.clamp(min=torch.finfo(g.dtype).tiny).sqrt()
