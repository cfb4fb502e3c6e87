"""Ultralytics' parser of a model's yaml, with rows of ours.

Ultralytics has no plug-in interface. Its ``parse_model`` sizes all rows, ours as placeholders that
it knows how to size, and each of these is then replaced by what the row names. Rows that keep their
channels become a :class:`Placeholder`, whose arguments ``ch`` and ``f`` the parser itself takes for
its list of channels and the row's origin. Rows that make channels become a ``Conv``, whose channels
it scales by the model's width.
"""

import functools
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

from torch import nn

from . import mistakes, rows


class Placeholder(nn.Identity):
    """Stands for a row that keeps its channels, and remembers the parser's channels.

    Args:
        channels: Those of the rows before, or of the picture for the first row.
        origin: The row's origin, -1 for the row before.
    """

    def __init__(self, channels: list[int], origin: int) -> None:
        super().__init__()
        if not (isinstance(channels, list) and isinstance(origin, int)):
            raise RuntimeError(mistakes.UNKNOWN_PARSER.format(mistakes.version()))
        self.channels = list(channels)


def wrap(tasks: ModuleType) -> Callable:
    """``tasks.parse_model`` that knows the rows of ours too; without any, the call is handed on.

    Args:
        tasks: The module ``ultralytics.nn.tasks``.
    """
    original = tasks.parse_model
    setattr(tasks, Placeholder.__name__, Placeholder)

    @functools.wraps(original)
    def parse_model(d: dict, ch: int, verbose: bool = True) -> tuple[nn.Sequential, list[int]]:
        written = [list(row) for row in (*d['backbone'], *d['head'])]
        ours = {i: rows.find(row[2]) for i, row in enumerate(written)}
        ours = {i: row for i, row in ours.items() if row is not None}
        if not ours:
            with mistakes.explained(written, tasks):
                return original(d, ch, verbose)
        mistakes.check(written, ours, tasks)
        log = _Log(tasks.LOGGER)
        tasks.LOGGER = log
        try:
            with mistakes.explained(written, tasks):
                model, save = original(_with_placeholders(d, written, ours), ch, verbose)
            for i, row in ours.items():
                model[i], args = _build(i, row, written[i], model[i])
                log.replace(i, written[i], model[i], args)
        finally:
            tasks.LOGGER = log.logger
            log.print()
        guides = {written[i][0][1] % i for i, row in ours.items() if row.kind == 'guided'}
        return model, sorted({*save, *guides})

    return parse_model


def _with_placeholders(d: dict, written: list[list], ours: dict[int, rows.Row]) -> dict:
    parsed = [list(row) for row in written]
    for i, row in ours.items():
        origin, repeats, _, args = written[i]
        if row.kind == 'makes':
            parsed[i] = [origin, repeats, 'Conv', args[:1]]
        else:
            origin = origin[0] if row.kind == 'guided' else origin
            parsed[i] = [origin, repeats, Placeholder.__name__, ['ch', 'f']]
    backbone = len(d['backbone'])
    return {**d, 'backbone': parsed[:backbone], 'head': parsed[backbone:]}


def _build(i: int, row: rows.Row, written: list, sized: nn.Module) -> tuple[nn.Module, list[Any]]:
    """The layer of a row, with the attributes that Ultralytics reads, and what it was made of."""
    origin, _, _, args = written
    if row.kind == 'makes':
        channels = [sized.conv.in_channels, sized.conv.out_channels]
    else:
        origins = origin if row.kind == 'guided' else [origin]
        channels = [sized.channels[j] for j in origins]
    try:
        layer = rows.build(row, channels, args)
    except (TypeError, ValueError) as error:
        raise type(error)(f'{mistakes.place(i, written)}: {error}') from None
    layer.i, layer.f = i, origin
    layer.type = f'{row.cls.__module__}.{row.cls.__name__}'
    layer.np = sum(p.numel() for p in layer.parameters())
    return layer, [*channels, *args[row.kind == 'makes' :]]


class _Log:
    """Takes the place of Ultralytics' logger while it parses, to print its table afterwards."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger
        self.lines = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.logger, name)

    def info(self, line: str, *args: Any) -> None:
        self.lines.append(line % args if args else line)

    def replace(self, i: int, written: list, layer: nn.Module, args: list) -> None:
        """Writes the line of a row anew, in the widths of Ultralytics' columns."""
        for k, line in enumerate(self.lines):
            if re.match(rf'\s*{i}\s', line):
                head = f'{i:>3}{layer.f!s:>20}{written[1]:>3}{layer.np:10.0f}'
                self.lines[k] = f'{head}  {layer.type:<45}{args!s:<30}'

    def print(self) -> None:
        for line in self.lines:
            self.logger.info(line)
