"""Pretrained weights for a model with inserted rows.

Ultralytics matches tensors by name, and names hold the number of a row. One inserted row moves the
numbers of all behind it, and their weights are left out in silence. Here rows are matched first,
and the tensors are renamed after them.
"""

import copy
import functools
import re
from collections.abc import Callable
from difflib import SequenceMatcher

from torch import Tensor, nn

from . import rows

_LAYER = re.compile(r'model\.(\d+)\.(.+)')


def rows_of(yaml: dict) -> list[list]:
    return [*yaml['backbone'], *yaml['head']]


def match(old: list[list], new: list[list]) -> dict[int, int]:
    """Which row of ``new`` each row of ``old`` is, for those that stayed.

    Rows are compared by name and arguments, not by the rows that they take from. Where rows were
    replaced by as many others, they are matched in their order.
    """
    if len(old) == len(new):
        return {i: i for i in range(len(old))}
    keys = [[(str(row[2]), str(row[3])) for row in each] for each in (old, new)]
    steps = SequenceMatcher(None, *keys, autojunk=False).get_opcodes()
    return {
        i: i - i0 + j0 for _, i0, i1, j0, j1 in steps if i1 - i0 == j1 - j0 for i in range(i0, i1)
    }


def rename(
    state: dict[str, Tensor],
    old: list[list],
    new: list[list],
    lists: set[str],
    levels: dict[int, int],
) -> dict[str, Tensor]:
    """A state dict with its tensors under the names that they have in a model of other rows.

    Args:
        state: Of a model of the rows ``old``.
        old: Its rows.
        new: The rows of the model that will take it.
        lists: The parts of its last layer that have an entry for every level.
        levels: Which level of the new model's last layer each level of the old one's is.
    """
    matched, last = match(old, new), len(old) - 1

    def renamed(name: str) -> str | None:
        found = _LAYER.fullmatch(name)
        if found is None:
            return name
        i, part = int(found[1]), found[2]
        if i not in matched:
            return None
        head, _, rest = part.partition('.')
        if i == last and head in lists:
            level, _, rest = rest.partition('.')
            if int(level) not in levels:
                return None
            part = f'{head}.{levels[int(level)]}.{rest}'
        return f'model.{matched[i]}.{part}'

    names = {name: renamed(name) for name in state}
    return {names[name]: tensor for name, tensor in state.items() if names[name] is not None}


def wrap(load: Callable) -> Callable:
    """``BaseModel.load`` of Ultralytics, which also finds the tensors of rows that have moved."""

    @functools.wraps(load)
    def load_by_rows(self, weights, *args, **options):
        return load(self, _moved(self, weights), *args, **options)

    return load_by_rows


def _moved(model: nn.Module, weights: dict | nn.Module) -> dict | nn.Module:
    """``weights`` as a model whose state has the names of ``model``, where rows have moved."""
    source = (weights.get('ema') or weights['model']) if isinstance(weights, dict) else weights
    yamls = [getattr(each, 'yaml', None) for each in (source, model)]
    if not all(isinstance(yaml, dict) for yaml in yamls):
        return weights
    old, new = map(rows_of, yamls)
    if len(old) == len(new) or not any(rows.find(row[2]) for row in (*old, *new)):
        return weights
    strides = [each.stride.tolist() for each in (source, model)]
    levels = {k: strides[1].index(s) for k, s in enumerate(strides[0]) if s in strides[1]}
    lists = {
        name
        for name, part in source.model[-1].named_children()
        if isinstance(part, nn.ModuleList) and len(part) == len(strides[0])
    }
    stand_in = copy.copy(source)
    stand_in.state_dict = lambda: rename(source.state_dict(), old, new, lists, levels)
    return stand_in
