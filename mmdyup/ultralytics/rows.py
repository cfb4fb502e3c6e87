"""Which names a row of a model's yaml may hold beside Ultralytics' own, and what becomes of them.

A row is ``[from, repeats, name, args]``. The parser of Ultralytics gives the channels.
"""

import ast
import contextlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..blocks import ATTENTION, DOWNSAMPLING
from ..upsamplers import Upsampler
from ..upsamplers.registry import UPSAMPLERS

#: Kinds of rows, and how their classes are called.
KINDS = {
    'keeps': '(channels, *args), for a row that keeps its channels',
    'makes': '(c1, c2, *args), for a row whose first argument is its channels c2',
    'guided': '(channels, *args, guide_channels=...), for a row from [-1, a finer row]',
}


class Row(NamedTuple):
    """What a name in a row means: a class, and one of ``KINDS``."""

    cls: type[nn.Module]
    kind: str


_REGISTERED = {
    **{cls.__name__: Row(cls, 'makes') for cls in DOWNSAMPLING},
    **{cls.__name__: Row(cls, 'keeps') for cls in ATTENTION},
}
# whose modules consist of others that a checkpoint holds too
_PACKAGES = ('mmdyup.upsamplers.', 'mmdyup.blocks.')


def register(name: str, cls: type[nn.Module], kind: str = 'keeps') -> None:
    """Makes a block of one's own a name in the rows of a model's yaml.

    Upsamplers need no registration beside :func:`mmdyup.upsamplers.register`. The class must be
    importable wherever a checkpoint of the model is loaded.

    Args:
        name: What the rows say.
        cls: The module. Its ``forward`` takes and returns one map, (N, C, H, W); that of kind
            'guided' takes two.
        kind: 'keeps': called as ``cls(channels, *args)``, keeps the channels.
            'makes': called as ``cls(c1, c2, *args)``; the first of the row's args is c2, which
            Ultralytics scales by the model's width.
            'guided': called as ``cls(channels, *args, guide_channels=...)``; the row comes from
            two rows, the feature's and the finer one's.

    Raises:
        TypeError: ``cls`` is no class of modules.
        ValueError: The kind is unknown.
    """
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise TypeError(f'The row {name!r} needs a class of torch.nn.Module, but it is {cls!r}.')
    if kind not in KINDS:
        raise ValueError(f'kind must be one of {", ".join(KINDS)}, but it is {kind!r}.')
    _REGISTERED[name] = Row(cls, kind)
    allow_in_checkpoints()


def find(name: str) -> Row | None:
    """What a row of this name is, if it is none of Ultralytics' own."""
    if name in _REGISTERED:
        return _REGISTERED[name]
    cls = UPSAMPLERS.get(name)
    return cls and Row(cls, 'guided' if cls.guided else 'keeps')


def names() -> list[str]:
    """All names that rows may hold beside Ultralytics' own."""
    return [*UPSAMPLERS, *_REGISTERED]


def allow_in_checkpoints() -> None:
    """Lets ``torch.load(weights_only=True)`` and Ultralytics' safe loading read modules of ours."""
    if not hasattr(torch.serialization, 'add_safe_globals'):  # PyTorch before 2.4
        return
    files = {find(name).cls.__module__ for name in names()} | {__name__}
    files |= {name for name in sys.modules if name.startswith(_PACKAGES)}
    torch.serialization.add_safe_globals(
        [
            value
            for file in files
            for value in vars(sys.modules[file]).values()
            if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == file
        ]
    )


class Guided(nn.Module):
    """A guided upsampler as a layer of Ultralytics, which hands a list of maps to it.

    Args:
        upsampler: What is called with the feature and the guide.
    """

    def __init__(self, upsampler: nn.Module) -> None:
        super().__init__()
        self.upsampler = upsampler

    def forward(self, maps: list[Tensor]) -> Tensor:
        """(N, C, H, W) and (N, Cf, sH, sW) to (N, C, sH, sW)."""
        return self.upsampler(*maps)


def build(row: Row, channels: Sequence[int], args: Sequence[Any]) -> nn.Module:
    """The module of a row.

    Args:
        row: What its name means.
        channels: c of a row that keeps them, (c1, c2) of one that makes them, (c, Cf) of a guided
            one.
        args: The row's own; a dict among them holds keyword arguments.

    Raises:
        TypeError, ValueError: The class refuses its arguments.
    """
    args, options = split(args)
    if row.kind == 'makes':
        return row.cls(*channels, *args[1:], **options)
    if row.kind == 'guided':
        return Guided(row.cls(channels[0], *args, **(dict(guide_channels=channels[1]) | options)))
    return row.cls(*channels, *args, **options)


def split(args: Sequence[Any]) -> tuple[list, dict]:
    """Positional and keyword arguments of a row; strings are literals where they can be."""
    options = {}
    for arg in args:
        if isinstance(arg, dict):
            options |= arg
    literals = [_literal(arg) for arg in args if not isinstance(arg, dict)]
    return literals, {key: _literal(value) for key, value in options.items()}


def _literal(arg: Any) -> Any:
    if isinstance(arg, str):
        with contextlib.suppress(ValueError, SyntaxError):
            return ast.literal_eval(arg)
    return arg


def is_upsampler(row: Row) -> bool:
    return issubclass(row.cls, Upsampler)
