"""The model of a config, for tools that load its weights themselves, and what it is given."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from .config import train_from_scratch, walk
from .fits import check_fits, read_checkpoint


def build_model(cfg: Config) -> nn.Module:
    """Builds the model of ``cfg``, which is edited in place, and fetches no weights for it.

    mmengine's log then tells of warnings alone, not of how each of hundreds of tensors starts.
    """
    train_from_scratch(cfg)
    MMLogger.get_current_instance().setLevel('WARNING')
    init_default_scope(cfg.get('default_scope'))
    return revert_sync_batchnorm(MODELS.build(cfg.model))


def make_ready(model: nn.Module, cfg: Config, checkpoint: str | None) -> nn.Module:
    """What :func:`build_model` built, to predict: with weights, in eval mode, on a GPU if any.

    Args:
        model: The model.
        cfg: Its config.
        checkpoint: Whose weights it gets; without one they are random.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The checkpoint cannot be read, or is of another model.
    """
    model.init_weights()
    if checkpoint is not None:
        check_fits(model, cfg, checkpoint, read_checkpoint(checkpoint))
        load_checkpoint(model, checkpoint, map_location='cpu', logger='silent')
    if 'mode' in (model.test_cfg or {}):
        # mmseg's other modes cut a picture into pieces
        model.test_cfg.mode = 'whole'
    return model.to('cuda' if torch.cuda.is_available() else 'cpu').eval()


def prepare_picture(cfg: Config, path: str | Path) -> dict:
    """What the config's pipeline for tests makes of a picture, without what reads annotations.

    Raises:
        ValueError: The config has no pipeline for pictures.
    """
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
    steps = next((d['pipeline'] for d in walk(loader or {}) if d.get('pipeline')), None)
    if steps is None:
        raise ValueError(
            f'{cfg.filename} has no test_dataloader with a pipeline, which says how a picture is '
            'prepared; add one.'
        )
    steps = [step for step in steps if 'Annotation' not in str(step['type'])]
    return Compose(steps)(
        dict(img_path=str(path), img_id=0, seg_fields=[], reduce_zero_label=False)
    )
