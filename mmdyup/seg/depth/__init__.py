"""DepthFormer on MMSegmentation's depth estimator: what that lacks of the model and its data."""

from .backbone import DepthFormerSwin
from .head import DyDenseDepthHead
from .loss import ScaleInvariantLoss
from .neck import HAHINeck
from .pictures import DepthDataset, NYUCrop, RandomColors

__all__ = [
    'DepthDataset',
    'DepthFormerSwin',
    'DyDenseDepthHead',
    'HAHINeck',
    'NYUCrop',
    'RandomColors',
    'ScaleInvariantLoss',
]
