"""The flags of tools/reproduce.py, and the rows that they ask for."""

import argparse
import importlib
from difflib import get_close_matches
from pathlib import Path

from mmdyup.stack import is_installed

from .published import NAMES, Row, Table, load_table

_STACK = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmdyup')


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description='The published tables beside what this package computes, row for row: '
        'parameters and FLOPs of every model, and the accuracy of your own runs. The exit status '
        'is 1 where a computed number disagrees with the published one.'
    )
    parser.add_argument(
        '--table',
        nargs='+',
        metavar='TABLE',
        help=f'which tables, of {", ".join(NAMES)} (default: all)',
    )
    parser.add_argument(
        '--row',
        nargs='+',
        metavar='ROW',
        help='which rows, named like their '
        'config files, such as faster_rcnn_dysample (default: all)',
    )
    parser.add_argument(
        '--work-dirs',
        default='work_dirs',
        metavar='DIR',
        type=Path,
        help='where your own runs lie, each in a folder named like its config (default: work_dirs)',
    )
    parser.add_argument(
        '--out',
        default='work_dirs/reproduce',
        metavar='DIR',
        help='where the results go (default: work_dirs/reproduce)',
    )
    return parser


def tables_of(args: argparse.Namespace) -> list[tuple[Table, list[Row]]]:
    """The tables that ``args`` ask for, each with the rows that they ask for.

    Raises:
        ValueError: There is no such table, or no such row in these tables.
    """
    for name in args.table or ():
        if name not in NAMES:
            raise ValueError(f'There is no table {name}; choose from {", ".join(NAMES)}.')
    tables = [load_table(name) for name in NAMES if name in (args.table or NAMES)]
    known = [row.name for table in tables for row in table.rows]
    for name in args.row or ():
        if name not in known:
            near = ', '.join(get_close_matches(name, known, cutoff=0))
            raise ValueError(
                f'There is no row {name} in {_listed(tables)}; rows are called like '
                f'their config files: the nearest names are {near}.'
            )
    wanted = args.row or known
    chosen = [(table, [row for row in table.rows if row.name in wanted]) for table in tables]
    return [(table, rows) for table, rows in chosen if rows]


def versions() -> dict[str, str]:
    """Those of the stack, as far as it is installed."""
    return {
        name: importlib.import_module(name).__version__ for name in _STACK if is_installed(name)
    }


def _listed(tables: list[Table]) -> str:
    names = ', '.join(table.name for table in tables)
    return f'the table{"s" if len(tables) > 1 else ""} {names}'
