"""Whether a checkpoint is whole, and one of the model that it is to be loaded into."""

import re
import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.model import is_model_wrapper
from mmengine.registry import MODELS
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from mmdyup import list_upsamplers

from .checks import available
from .config import walk

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
# upsamplers by the endings of the configs that take them
PLAIN = ('nearest', 'bilinear', 'deconv', 'pixel_shuffle')
NAMED = {**{name: dict(type=name) for name in PLAIN}, **list_upsamplers()}
# the names told of a kind of misfit
TOLD = 2


@dataclass(frozen=True)
class Misfit:
    """Where a state and a model differ.

    Args:
        missing: What the model has and the state lacks, by its name in the model.
        unexpected: What the state has and the model lacks.
        unlike: What has another shape in the state than in the model.
        common: How many tensors the model has that fit.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    unlike: tuple[str, ...]
    common: int

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.unlike)

    def __str__(self) -> str:
        kinds = {
            'of its tensors are missing': self.missing,
            'are unknown to it': self.unexpected,
            'have another shape': self.unlike,
        }
        return ', '.join(
            f'{len(names)} {what} ({", ".join(names[:TOLD])}{", …" if len(names) > TOLD else ""})'
            for what, names in kinds.items()
            if names
        )


def check_checkpoint(source: str) -> None:
    """Raises FileNotFoundError unless the checkpoint ``source``, a path or an address, exists."""
    if not available(source):
        raise FileNotFoundError(f'There is no checkpoint {source}: give the path of a .pth file.')


def read_checkpoint(source: str) -> dict:
    """What the checkpoint ``source``, a path or an address, holds, on the CPU.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is cut off, or it is no checkpoint.
    """
    check_checkpoint(source)
    try:
        checkpoint = CheckpointLoader.load_checkpoint(source, map_location='cpu', logger='silent')
    except Exception as error:  # what is no pickle raises anything
        raise ValueError(
            f'{source} cannot be read ({_reason(error)}): it is cut off, as where a disk was full '
            'or a process was killed, or no checkpoint; take another one.'
        ) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f'{source} holds a {type(checkpoint).__name__} where a dict of weights is expected: '
            'give a checkpoint that training saved.'
        )
    return checkpoint


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip('.')


def compare(model: nn.Module, checkpoint: dict) -> Misfit:
    """How ``model`` and the state in ``checkpoint`` differ, after its own renaming of old names."""
    model = model.module if is_model_wrapper(model) else model
    state = checkpoint.get('state_dict', checkpoint)
    state = {
        name.removeprefix('module.'): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }
    own = dict(model.state_dict())
    # nothing is copied into a model without memory, but its own names and shapes for old states
    # count
    hollow = deepcopy(model).to('meta')
    unlike, missing, unexpected = set(), [], []
    more = {''}
    while more:
        alike = {name: value for name, value in state.items() if name not in unlike}
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='for .* copying from a non-meta parameter')
            try:
                found = hollow.load_state_dict(alike, strict=False)
                missing, unexpected, more = found.missing_keys, found.unexpected_keys, set()
            except RuntimeError as error:
                # of what was renamed, the name in the state stays unknown
                more = set(re.findall(r'size mismatch for (\S+):', str(error))) - unlike
                # what a module cannot bring into shape has no such line
                more = more or {
                    n for n in alike.keys() & own.keys() if alike[n].shape != own[n].shape
                }
                unlike |= more
                if not unlike:
                    raise
    missing = [
        name for name in missing if name not in unlike and not name.endswith('num_batches_tracked')
    ]
    common = len(own) - len(missing) - len(unlike)
    return Misfit(tuple(missing), tuple(unexpected), tuple(sorted(unlike)), common)


def check_fits(model: nn.Module, cfg, source: str, checkpoint: dict) -> None:
    """Checks that a checkpoint is of the model that it will be loaded into.

    mmengine would only warn, and score the random weights that it left.

    Args:
        model: The model.
        cfg: The mmengine Config that it was built from.
        source: The checkpoint's name.
        checkpoint: What is in it.

    Raises:
        ValueError: A tensor is missing, unknown, or of another shape.
    """
    misfit = compare(model, checkpoint)
    if not misfit:
        return
    fitting = _fitting(cfg, checkpoint)
    remedy = (
        f'{fitting} fits it'
        if fitting
        else 'take the config that training saved beside it, or the flags of the training (--data, '
        '--shapes, --tiny, --from-scratch)'
    )
    raise ValueError(f'{source} holds the weights of another model: {misfit}; {remedy}.')


def _fitting(cfg, checkpoint: dict) -> str:
    """What to take so that a model like that of the mmengine Config ``cfg``, but with another
    upsampler, fits; empty where none does."""
    fitting = {}
    if not any('upsample_cfg' in node for node in walk(cfg.model)):
        return ''
    for name, upsample_cfg in NAMED.items():
        model = deepcopy(cfg.model)
        for node in walk(model):
            if 'upsample_cfg' in node:
                node['upsample_cfg'] = dict(upsample_cfg)
        try:
            with torch.device('meta'), MODELS.switch_scope_and_registry(cfg.get('default_scope')):
                built = MODELS.build(model)
        except (ValueError, TypeError, ImportError):
            continue  # this upsampler does not go with these channels
        if not compare(built, checkpoint):
            fitting[f'upsample_cfg={upsample_cfg}'] = _config_of(cfg.filename, name)
    configs = [path for path in fitting.values() if path]
    return ' or '.join(configs or fitting)


def _config_of(filename: str | None, name: str) -> str | None:
    """The config of the same model as the one called ``filename``, with the upsampler ``name``."""
    stem = Path(filename or '').stem
    ending = max((other for other in NAMED if stem.endswith(f'_{other}')), key=len, default=None)
    path = CONFIGS / f'{stem.removesuffix(ending)}{name}.py' if ending else None
    return f'configs/{path.name}' if path and path.is_file() else None
