"""What people get wrong in a model's yaml, each in one sentence that says what to write."""

import contextlib
import difflib
import importlib.metadata
import warnings
from collections.abc import Iterator
from types import ModuleType

from torch import nn

from ..upsamplers import Upsampler
from . import rows

UNKNOWN_PARSER = (
    "Ultralytics {} parses a model's yaml in a way that mmdyup does not know, so mmdyup's rows "
    'cannot be used; take a version from 8.2.103 to 8.4.190.'
)
# more than any scale, less than any channels
_LARGEST_SCALE = 16


def version() -> str:
    """The version of the Ultralytics that is installed."""
    try:
        return importlib.metadata.version('ultralytics')
    except importlib.metadata.PackageNotFoundError:
        return 'of an unknown version'


def place(i: int, row: list) -> str:
    """How a message names a row."""
    return f'Row {i}, {row}'


def check(written: list[list], ours: dict[int, rows.Row], tasks: ModuleType) -> None:
    """Raises where a row of ours cannot be meant as it is written, and warns where it may not be.

    Args:
        written: All rows, as they are in the yaml.
        ours: What those of them mean that Ultralytics does not know.
        tasks: The module ``ultralytics.nn.tasks``.
    """
    for i, row in ours.items():
        _check_row(i, written[i], row)
        foreign = getattr(tasks, written[i][2], row.cls)
        if foreign is not row.cls:
            _warn(
                f'This Ultralytics has a {written[i][2]} of its own '
                f"({foreign.__module__}); rows take mmdyup's, whose scale the parser does not "
                'round up to 8. Undo the edit of its source.'
            )
    last, sources = len(written) - 1, written[-1][0]
    if isinstance(sources, list) and written[-1][2] != 'Concat':
        meant = [j + 1 if written[j][2] == 'Concat' else j for j in sources if j < last]
        if len(meant) == len(sources) and meant != sources:
            _warn(
                f'{place(last, written[-1])}, takes maps from a Concat that no row has merged yet; '
                f'after an inserted row it should probably take {meant}.'
            )


def _check_row(i: int, written: list, row: rows.Row) -> None:
    origin, repeats, name, args = written
    if repeats != 1:
        raise ValueError(
            f'{place(i, written)}: {name} cannot be repeated {repeats} times; write 1.'
        )
    if row.kind == 'guided':
        if not (isinstance(origin, list) and len(origin) == 2):
            raise ValueError(
                f'{place(i, written)}: {name} looks at a finer feature too; write where both come '
                f'from, such as [[-1, 6], 1, {name}, {args}].'
            )
    elif not isinstance(origin, int):
        raise ValueError(
            f'{place(i, written)}: {name} takes one feature; write -1 or the number of one row.'
        )
    first = rows.split(args)[0][:1]
    if row.kind == 'makes' and not (first and isinstance(first[0], int)):
        raise ValueError(f"{place(i, written)}: {name}'s first argument is its channels.")
    if not rows.is_upsampler(row) or not first:
        return
    if first == [None]:
        raise ValueError(
            f"{place(i, written)}: these are nn.Upsample's arguments; {name} takes the scale "
            'first: write [2].'
        )
    if isinstance(first[0], int) and first[0] > _LARGEST_SCALE:
        raise ValueError(
            f'{place(i, written)}: {name} takes the scale first, and its channels are found from '
            'the row before: write [2].'
        )


@contextlib.contextmanager
def explained(written: list[list], tasks: ModuleType) -> Iterator[None]:
    """Says in one sentence what is wrong where Ultralytics' parser fails.

    Raises:
        ValueError: A row names nothing that is known, or takes from a row that is not there yet.
    """
    try:
        yield
    except (KeyError, IndexError) as error:
        told = _unknown_name(written, error) or _missing_source(written)
        if told is None:
            raise
        raise ValueError(told) from error


def _unknown_name(written: list[list], error: Exception) -> str | None:
    if not isinstance(error, KeyError):
        return None
    for i, row in enumerate(written):
        if row[2] == error.args[0]:
            close = difflib.get_close_matches(row[2], rows.names(), 1)
            meant = f' did you mean {close[0]}?' if close else ''
            return (
                f'{place(i, row)}: neither Ultralytics {version()} nor mmdyup knows {row[2]};'
                f'{meant or " mmdyup.ultralytics.register makes a block of your own known."}'
            )
    return None


def _missing_source(written: list[list]) -> str | None:
    for i, row in enumerate(written):
        sources = row[0] if isinstance(row[0], list) else [row[0]]
        beyond = max(sources) - (i - 1)
        if beyond > 0 and i > 0:
            # those of a head move together, the -1 of a Concat does not
            moved = [s if s < 0 else s - beyond for s in sources]
            return (
                f'{place(i, row)}: it takes from row {max(sources)}, but the last one before it is '
                f'{i - 1}; every row inserted moves the numbers of those behind it by one, so this '
                f'is probably {moved if isinstance(row[0], list) else moved[0]}.'
            )
    return None


def warn_of_replaced(model: nn.Module) -> None:
    """Warns where upsamplers were put into a built model by hand, which training builds anew."""
    layers, yaml = getattr(model, 'model', None), getattr(model, 'yaml', None)
    if not isinstance(layers, nn.Sequential) or not isinstance(yaml, dict):
        return
    for (i, layer), row in zip(enumerate(layers), (*yaml['backbone'], *yaml['head']), strict=False):
        if rows.find(row[2]) is None:
            for part in layer.modules():
                if isinstance(part, Upsampler):
                    name = type(part).__name__
                    return _warn(
                        f'Layer {i} was given a {name} by hand, but train() builds the model anew '
                        f'from its yaml, which says {row[2]} there; take '
                        f"mmdyup.ultralytics.upsampled(source, '{name}') instead."
                    )
    return None


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)
