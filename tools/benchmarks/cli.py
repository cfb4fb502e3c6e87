"""The flags of tools/benchmark.py, and the cases and rows that they ask for."""

import argparse
import itertools
import re

import torch

from .case import DTYPES, LAYOUTS, Case
from .rows import COMPILED, ROWS, check_names, usual_rows

_QUICK_SIZE, _QUICK_ROUNDS = '64x40x40', 5
_SIZE, _ROUNDS = '256x120x120', 15


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description='Times upsamplers side by side: all rows take turns in every round, and are '
        'compared with a baseline measured in the same run. Several sizes, ratios, dtypes or '
        'layouts make a table each.'
    )
    parser.add_argument(
        '--rows',
        nargs='+',
        metavar='ROW',
        help='what to measure, '
        f'of {", ".join(ROWS)} (default: all that can run here); followed by '
        f'{COMPILED} it goes through torch.compile',
    )
    parser.add_argument(
        '--baseline',
        default='bilinear',
        metavar='ROW',
        help='the row to compare with (default: bilinear)',
    )
    parser.add_argument(
        '--compile', action='store_true', help='add a row through torch.compile for each'
    )
    parser.add_argument(
        '--size',
        nargs='+',
        metavar='CxHxW',
        help=f'channels, height and width of the feature (default: {_SIZE})',
    )
    parser.add_argument(
        '--ratio',
        nargs='+',
        type=int,
        default=[2],
        metavar='S',
        help='upsampling ratio (default: 2)',
    )
    parser.add_argument(
        '--batch', type=int, default=1, metavar='N', help='features at a time (default: 1)'
    )
    parser.add_argument(
        '--dtype',
        nargs='+',
        choices=DTYPES,
        default=['float32'],
        help='dtype of feature and parameters (default: float32)',
    )
    parser.add_argument(
        '--layout',
        nargs='+',
        choices=LAYOUTS,
        default=['contiguous'],
        help='memory layout of the feature (default: contiguous)',
    )
    parser.add_argument(
        '--device', choices=('cpu', 'cuda'), help='default: cuda where there is one, else cpu'
    )
    parser.add_argument(
        '--rounds', type=int, metavar='N', help=f'samples of each row (default: {_ROUNDS})'
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help=f'--size {_QUICK_SIZE} --rounds '
        f'{_QUICK_ROUNDS}, unless given: under a minute without --compile',
    )
    parser.add_argument(
        '--sweep',
        action='store_true',
        help='instead of the table, how the cost '
        'of reassembly and DySample grows with each size of the first case',
    )
    parser.add_argument(
        '--out',
        default='work_dirs/benchmark',
        metavar='DIR',
        help='where the results go (default: work_dirs/benchmark)',
    )
    return parser


def cases_of(args: argparse.Namespace) -> list[Case]:
    """Every combination of the sizes, ratios, dtypes and layouts in ``args``.

    Raises:
        ValueError: A size is not three positive numbers, another number is below 1, or there is
            no CUDA device.
    """
    for flag in ('ratio', 'batch', 'rounds'):
        given = getattr(args, flag)
        for value in given if isinstance(given, list) else [given]:
            if value is not None and value < 1:
                raise ValueError(f'--{flag} must be 1 or more, but it is {value}.')
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise ValueError(
            '--device cuda: PyTorch finds no CUDA device here; leave it out to measure on the CPU.'
        )
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    sizes = args.size or [_QUICK_SIZE if args.quick else _SIZE]
    return [
        Case(*_size(size), ratio, args.batch, dtype, layout, device)
        for size, ratio, dtype, layout in itertools.product(
            sizes, args.ratio, args.dtype, args.layout
        )
    ]


def rows_of(args: argparse.Namespace, case: Case) -> list[str]:
    """The names of the rows to measure on ``case``, the baseline among them.

    Raises:
        ValueError: One of them is unknown.
    """
    names = list(dict.fromkeys(args.rows or usual_rows(case)))
    check_names([*names, args.baseline])
    if args.compile:
        names += [name + COMPILED for name in names if not name.endswith(COMPILED)]
    if args.baseline not in names:
        names.insert(0, args.baseline)
    return names


def rounds_of(args: argparse.Namespace) -> int:
    return args.rounds or (_QUICK_ROUNDS if args.quick else _ROUNDS)


def _size(text: str) -> tuple[int, int, int]:
    if not re.fullmatch(r'[1-9]\d*x[1-9]\d*x[1-9]\d*', text):
        raise ValueError(
            f'--size must be channels, height and width as in 256x120x120, but it is {text}.'
        )
    channels, height, width = map(int, text.split('x'))
    return channels, height, width
