"""The model of a config, for tools that load all of its weights themselves."""

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from .config import train_from_scratch


def build_model(cfg: Config) -> nn.Module:
    """Builds the model of ``cfg``, which is edited in place, and fetches no weights for it.

    mmengine's log then tells of warnings alone, not of how each of hundreds of tensors starts.
    """
    train_from_scratch(cfg)
    MMLogger.get_current_instance().setLevel('WARNING')
    init_default_scope(cfg.get('default_scope'))
    return revert_sync_batchnorm(MODELS.build(cfg.model))
