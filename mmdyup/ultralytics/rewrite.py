"""A model's yaml or checkpoint of Ultralytics with other upsamplers, written where the user stands.

No yaml is shipped: those of Ultralytics are under AGPL-3.0.
"""

import copy
import importlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..upsamplers.base import accepted_arguments, unknown_argument
from . import rows
from .weights import rows_of

# of YOLO11's head, the rows of its top-down path and of its bottom-up path
_TOP_DOWN = ['nn.Upsample', 'Concat', 'C3k2'] * 2
_BOTTOM_UP = ['Conv', 'Concat', 'C3k2'] * 2
# attributes of a model that follow from its rows, or from where it lay
_REBUILT = {'yaml', 'save', 'stride', 'criterion', 'pt_path'}


def upsampled(source: str | Path, name: str, *, p2: bool = False, **options: Any) -> str:
    """Writes a model in which every ``nn.Upsample`` is another upsampler.

    Args:
        source: A yaml such as 'yolo11n.yaml', Ultralytics' own or another, or a checkpoint such as
            'yolo11n.pt', whose weights are kept where they fit.
        name: An upsampler of ours, such as 'DySample'.
        p2: Gives YOLO11 a fourth level, of stride 4.
        options: The upsampler's own arguments, such as ``dyscope=True``.

    Returns:
        The name of a file in the current folder, such as 'yolo11n-dysample.yaml'.

    Raises:
        ImportError: Ultralytics is not installed.
        TypeError: The upsampler has no argument of this name.
        ValueError: The upsampler is unknown, the model has no ``nn.Upsample``, or with ``p2`` is
            no YOLO11.
    """
    row = rows.find(name)
    if row is None or not rows.is_upsampler(row):
        known = ', '.join(each for each in rows.names() if rows.is_upsampler(rows.find(each)))
        raise ValueError(f'There is no upsampler {name!r}; name one of {known}.')
    for option in options:
        if option not in accepted_arguments(row.cls):
            raise TypeError(f'{unknown_argument(row.cls, option)}.')
    tasks = _tasks()
    path = Path(source)
    own = [key if value is True else f'{key}{value}' for key, value in options.items()]
    stem = '-'.join([path.stem, *['p2'] * p2, *(each.lower() for each in (name, *own))])
    if path.suffix == '.pt':
        model = _load(tasks, str(source))
        yaml = _rewritten(model.yaml, name, row, p2, options)
        return _write_checkpoint(model, yaml, f'{stem}.pt')
    yaml = _rewritten(tasks.yaml_model_load(source), name, row, p2, options)
    for key in ('scale', 'yaml_file'):  # which follow from the file's name
        yaml.pop(key, None)
    return _write_yaml(yaml, f'{stem}.yaml')


def _tasks() -> Any:
    try:
        return importlib.import_module('ultralytics.nn.tasks')
    except ImportError as error:
        raise ImportError(
            f'mmdyup.ultralytics needs Ultralytics, which cannot be imported here ({error}): '
            'run `pip install ultralytics`.'
        ) from error


def _rewritten(yaml: dict, name: str, row: rows.Row, p2: bool, options: dict) -> dict:
    yaml = copy.deepcopy(yaml)
    if p2:
        _add_level(yaml)
    written = rows_of(yaml)
    places = [i for i, each in enumerate(written) if each[2] == 'nn.Upsample']
    if not places:
        raise ValueError('This model has no nn.Upsample that could be replaced.')
    for i in places:
        origin, repeats, _, (_, scale, *_) = written[i]
        if row.kind == 'guided':
            origin = [origin, _merged_with(written, i)]
        # the lists of the yaml itself
        written[i][:] = [origin, repeats, name, [scale, *[dict(options)] * bool(options)]]
    return yaml


def _merged_with(written: list[list], i: int) -> int:
    """The finer row that the next one concatenates with row ``i``."""
    sources, _, name, _ = written[i + 1]  # a head at least
    if name != 'Concat' or len(sources) != 2:
        raise ValueError(
            f'Row {i + 1}, {written[i + 1]}, does not merge row {i} with one finer feature, which '
            'a guided upsampler needs; choose one that is not guided.'
        )
    return next(source for source in sources if source not in (-1, i))


def _add_level(yaml: dict) -> None:
    """Gives YOLO11 a level of stride 4: once more down to row 2, and up from there."""
    head, first = yaml['head'], len(yaml['backbone'])
    if [row[2] for row in head[:-1]] != _TOP_DOWN + _BOTTOM_UP:
        raise ValueError('p2=True knows the rows of YOLO11 alone.')
    finest = first + len(_TOP_DOWN) - 1
    repeats = head[5][1]
    added = [
        copy.deepcopy(head[0]),
        [[-1, 2], 1, 'Concat', [1]],
        [-1, repeats, 'C3k2', [128, False]],
        [-1, 1, 'Conv', [256, 3, 2]],
        [[-1, finest], 1, 'Concat', [1]],
        [-1, repeats, 'C3k2', [256, False]],
    ]
    for row in head[6:]:
        if row[2] == 'Conv':  # each makes the channels of the level that it leads to
            row[3][0] *= 2
        if isinstance(row[0], list):
            row[0] = [j + len(added) if j > finest else j for j in row[0]]
    head[-1][0] = [finest + 3, finest + len(added), *head[-1][0][1:]]
    head[6:6] = added


def _write_yaml(yaml: dict, name: str) -> str:
    import yaml as library

    def text(value: Any) -> str:
        return library.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)

    lines = []
    for key, value in yaml.items():
        if key in ('backbone', 'head'):
            lines += [f'{key}:\n', *(f'  - {text(row)}' for row in value)]
        else:
            lines.append(text({key: value}).strip()[1:-1] + '\n')
    Path(name).write_text(''.join(lines), encoding='utf-8')
    return name


def _load(tasks: Any, source: str) -> nn.Module:
    load = getattr(tasks, 'load_checkpoint', None) or tasks.attempt_load_one_weight
    return load(source)[0]


def _write_checkpoint(old: nn.Module, yaml: dict, name: str) -> str:
    model = type(old)(yaml, ch=yaml.get('channels', yaml.get('ch', 3)), verbose=False)
    model.load(old)
    for key, value in vars(old).items():  # names of classes, the task, embedded texts
        if not key.startswith('_') and key not in _REBUILT:
            setattr(model, key, copy.deepcopy(value))
    content = dict(epoch=-1, best_fitness=None, model=model.half(), ema=None, updates=None)
    torch.save(content | dict(optimizer=None, train_args=dict(old.args)), name)
    return name
