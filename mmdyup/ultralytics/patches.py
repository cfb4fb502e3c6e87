"""What of Ultralytics is wrapped, and when: each part once its module has been imported.

Where a part is not as it is known, one warning says so, and Ultralytics works on as it came.
"""

import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..upsamplers.pointwise import Pointwise
from ..upsamplers.registry import UPSAMPLERS
from . import mistakes, parser, rows, weights
from .finder import watch

_MARK = '_mmdyup'
_DEFAULTS = 'from ultralytics.utils import DEFAULT_CFG_DICT'


def install() -> None:
    """Lets Ultralytics know the rows of ours, now or once it is imported."""
    watch(
        {
            'ultralytics.nn.tasks': patch_tasks,
            'ultralytics.utils.dist': patch_dist,
            'ultralytics.engine.model': patch_model,
            'thop.profile': count_operators,
        }
    )


def patch_tasks(tasks: ModuleType) -> None:
    """Wraps the parser and the loading of weights."""
    if not hasattr(tasks, 'parse_model') and getattr(tasks.__spec__, '_initializing', False):
        return  # its source imports mmdyup; patch_model comes back to it
    known = hasattr(tasks, 'Conv') and hasattr(tasks, 'LOGGER')
    if known and _takes(tasks, 'parse_model', 'd', 'ch', 'verbose'):
        _replace(tasks, 'parse_model', lambda _: parser.wrap(tasks))
        rows.allow_in_checkpoints()
    else:
        warnings.warn(mistakes.UNKNOWN_PARSER.format(mistakes.version()), stacklevel=2)
    if _takes(getattr(tasks, 'BaseModel', None), 'load', 'self', 'weights'):
        _replace(tasks.BaseModel, 'load', weights.wrap)


def patch_dist(dist: ModuleType) -> None:
    """Lets the script of a distributed worker import mmdyup, without which it knows no rows."""
    if _takes(dist, 'generate_ddp_file', 'trainer'):
        _replace(dist, 'generate_ddp_file', _importing_mmdyup)


def patch_model(model: ModuleType) -> None:
    """Lets ``train()`` warn where modules of the built model were replaced by hand."""
    tasks = sys.modules['ultralytics.nn.tasks']
    if not hasattr(tasks.BaseModel.load, _MARK):  # its source imports mmdyup
        patch_tasks(tasks)
    if _takes(getattr(model, 'Model', None), 'train', 'self', 'trainer'):
        _replace(model.Model, 'train', _warning_first)


def count_operators(profile: ModuleType) -> None:
    """Gives thop a rule for mmdyup's operators, of which it sees the convolutions alone."""
    # where this is missing, as in thop 2.0, a rule hides what the layers inside count
    if hasattr(profile, '_resolve_rule') and isinstance(
        getattr(profile, 'register_hooks', None), dict
    ):
        for cls in UPSAMPLERS.values():
            profile.register_hooks[cls] = _count
        profile.register_hooks[Pointwise] = profile.register_hooks[nn.Conv2d]


def _takes(owner: object, name: str, *parameters: str) -> bool:
    """Whether a function's parameters begin with these."""
    function = getattr(owner, name, None)
    return callable(function) and [*inspect.signature(function).parameters][: len(parameters)] == [
        *parameters
    ]


def _replace(owner: object, name: str, wrap: Callable) -> None:
    original = getattr(owner, name)
    if not hasattr(original, _MARK):
        wrapped = wrap(original)
        setattr(wrapped, _MARK, True)
        setattr(owner, name, wrapped)


def _importing_mmdyup(generate: Callable) -> Callable:
    @functools.wraps(generate)
    def generate_ddp_file(trainer):
        file = generate(trainer)
        script = Path(file).read_text(encoding='utf-8')
        if script.count(_DEFAULTS) != 1:
            warnings.warn(
                f"The worker's script of Ultralytics {mistakes.version()} is not as mmdyup knows "
                'it, so workers may not know its rows; train from the .pt of '
                'mmdyup.ultralytics.upsampled, or run `python -m mmdyup.ultralytics enable`.',
                stacklevel=2,
            )
        script = script.replace(_DEFAULTS, f'import mmdyup; {_DEFAULTS}')
        Path(file).write_text(script, encoding='utf-8')
        return file

    return generate_ddp_file


def _warning_first(train: Callable) -> Callable:
    @functools.wraps(train)
    def warn_and_train(self, *args, **options):
        mistakes.warn_of_replaced(self.model)
        return train(self, *args, **options)

    return warn_and_train


def _count(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
    """thop's rule: multiply-adds of our operators, which no layer inside the module counts."""
    counted = {part: vars(part).get('total_ops') for part in module.modules()}
    with FlopCounterMode(display=False) as counter:
        module.forward(*inputs)
    # the layers inside were counted a second time
    for part, ops in counted.items():
        part.__dict__['total_ops'] = ops
    ours = counter.get_flop_counts().get('Global', {})
    module.total_ops += (
        sum(flops for op, flops in ours.items() if str(op).startswith('mmdyup.')) // 2
    )
