"""``--cache-features``: what a frozen backbone makes of a picture is computed once."""

import copy
import fcntl
import hashlib
from pathlib import Path

import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from recipes.config import walk

from .pairing import model_of

#: What varies a picture and may be left out.
_LEFT_OUT = ('RandomCrop', 'PhotoMetricDistortion')
#: What else varies one, by what is in its name.
_VARYING = ('Random', 'Mosaic', 'MixUp', 'Photo', 'HSV', 'Albu', 'CutOut', 'Corrupt', 'CopyPaste')


def keep_still(cfg) -> None:
    """Lets a config train on pictures that are the same each time, but for flips.

    Random sizes and crops give way to the size of the crop, into which a picture fits whole.
    Changes of colour are left out.

    Args:
        cfg: An mmengine Config, edited in place.

    Raises:
        ValueError: Its pictures are varied in another way.
    """
    for node in list(walk(cfg.train_dataloader.dataset)):
        pipeline = node.get('pipeline') or []
        crop = next((step['crop_size'] for step in pipeline if step.get('crop_size')), None)
        still = []
        for step in pipeline:
            kind = step.type.rsplit('.', 1)[-1]
            if kind == 'RandomResize' and crop:
                still.append(ConfigDict(type='Resize', scale=tuple(crop), keep_ratio=True))
            elif any(word in kind for word in _VARYING) and kind not in ('RandomFlip', *_LEFT_OUT):
                raise ValueError(
                    f'--cache-features: {kind} makes a picture another one each time, so that '
                    'there is nothing to keep; leave --cache-features out.'
                )
            elif kind not in _LEFT_OUT:
                still.append(step)
        if pipeline:
            node['pipeline'] = still


def keep_features(model: nn.Module, folder: Path) -> None:
    """Lets the backbone of ``model`` look its features up in ``folder``, which all runs share.

    A picture is known by its pixels, as the backbone sees them, so a flipped one is another.

    Args:
        model: With a ``backbone``, whose features are a tuple of maps; changed in place.
        folder: Is made if need be.

    Raises:
        ValueError: The backbone learns.
    """
    backbone = model.backbone
    check_frozen(backbone)
    weights = hashlib.sha256()
    for tensor in backbone.state_dict().values():
        weights.update(tensor.cpu().numpy().tobytes())
    folder = folder / weights.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    compute = backbone.forward

    def look_up(picture: Tensor) -> tuple[Tensor, ...]:
        name = hashlib.sha256(picture.cpu().numpy().tobytes()).hexdigest()[:32]
        path = folder / f'{name}.pt'
        if not path.exists():
            # processes that come to a picture at the same time wait for the first of them
            with open(folder / f'{name[0]}.lock', 'a') as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not path.exists():
                    with torch.no_grad():
                        levels = tuple(level.contiguous() for level in compute(picture))
                    # whole or not there, whenever it is killed
                    part = path.with_suffix('.part')
                    torch.save(levels, part)
                    part.replace(path)
        return torch.load(path, map_location=picture.device, weights_only=True)

    def forward(pictures: Tensor) -> tuple[Tensor, ...]:
        # one by one, so that features do not depend on what else is in a batch
        levels = [look_up(picture) for picture in pictures.split(1)]
        return tuple(torch.cat(level) for level in zip(*levels, strict=True))

    backbone.forward = forward


def check_keepable(cfg) -> None:
    """Raises ValueError where the backbone of a config learns; builds its model to know."""
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        # detectors hand settings on to their parts, in place
        check_frozen(MODELS.build(copy.deepcopy(cfg.model)).backbone)


def check_frozen(backbone: nn.Module) -> None:
    """Raises ValueError where a parameter of ``backbone`` learns, or it changes in training."""
    learns = next((name for name, p in backbone.named_parameters() if p.requires_grad), None)
    backbone.train()
    changes = next(
        (
            name
            for name, module in backbone.named_modules()
            if module.training and isinstance(module, (_BatchNorm, _DropoutNd))
        ),
        None,
    )
    if learns or changes:
        raise ValueError(
            f'--cache-features needs a frozen backbone, but {learns or changes} of this one '
            'learns or changes: leave it out, or train with --lite0.'
        )


class KeepFeatures(Hook):
    """Lets a runner's backbone look its features up, from where its weights are what they stay."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def before_train(self, runner: Runner) -> None:
        keep_features(model_of(runner), self.folder)
