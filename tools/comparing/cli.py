"""The flags of tools/compare.py, and the plan that they make."""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch.distributed import is_torchelastic_launched

from recipes.checks import check_data, check_weights
from recipes.cli import add_config_flags, add_training_flags, load_training_config

from .features import check_keepable, keep_still
from .findings import FEWEST
from .metrics import find_metric, primary_metric
from .plan import Plan, make_plan, validate_often
from .variants import CONTROLS, Variant, gather, with_upsampler


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description='Trains configs that differ in their upsampler alone, in pairs and with '
        'several seeds, and says what that proves. Stopped at any time, it goes on where it was, '
        'under the same command.'
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config files')
    parser.add_argument(
        '--upsamplers',
        nargs='+',
        default=[],
        metavar='NAME',
        help='of one config: upsamplers that take the place of its own, such as dysample_plus',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        default=FEWEST,
        metavar='N',
        help=f'trains everything with each of N seeds (default: {FEWEST}, the least that gives a '
        'verdict)',
    )
    parser.add_argument(
        '--metric',
        metavar='KEY',
        help='the one score that verdicts are about, as mmengine logs it, named before the first '
        'run (default: the main one of the config, such as coco/bbox_mAP or mIoU)',
    )
    parser.add_argument(
        '--effect',
        type=float,
        metavar='POINTS',
        help='the smallest difference that would matter (default: 0.3 points)',
    )
    parser.add_argument(
        '--only',
        action='store_true',
        help='leaves out the controls, nearest and bilinear; all are compared with the first then',
    )
    parser.add_argument(
        '--gpus',
        metavar='LIST',
        help='numbers of GPUs that each do a run at a time, such as 0,1; several processes of a '
        'run take one each',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch'],
        default='none',
        help='pytorch: several processes train each run, as torchrun has it',
    )
    parser.add_argument(
        '--processes',
        type=int,
        metavar='N',
        help='how many of them, each with a batch of the config; without a GPU they share the '
        'CPU (default: as many as there are GPUs, or as --gpus names)',
    )
    parser.add_argument(
        '--cache-features',
        action='store_true',
        help='computes the features of a frozen backbone once for each picture, which is then not '
        'varied but by flips',
    )
    parser.add_argument(
        '--report', action='store_true', help='trains nothing, and reports what there is'
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='where all of it goes (default: work_dirs/compare_ and the names of the first config '
        'and the data)',
    )
    add_config_flags(parser)
    add_training_flags(parser)
    return parser


def plan_of(args: argparse.Namespace, make_folder: Callable[[str], Path]) -> Plan:
    """The comparison that the parsed flags ask for.

    Raises:
        FileNotFoundError: A config, or something that a flag names, is missing.
        TypeError: An ``upsample_cfg`` is no dict.
        ValueError: Flags or configs do not go together.
    """
    if args.seeds < 1:
        raise ValueError(f'--seeds {args.seeds}: give a number from 1 on.')
    if args.effect is not None and args.effect <= 0:
        raise ValueError(f'--effect {args.effect}: give a difference above 0.')
    processes = processes_of(args)
    folder = make_folder(args.out or default_folder(args))
    configs = {}
    for path in args.configs:
        given = argparse.Namespace(
            **vars(args) | dict(launcher='none'),
            config=path,
            work_dir=str(folder),
            local_rank=0,
        )
        if Path(path).stem in configs:
            raise ValueError(f'Two configs are called {Path(path).stem}: give each its own name.')
        cfg = load_training_config(given)
        # pictures are read once, and not for a report
        check_data(cfg, ('train', 'val'), not (args.no_check or args.report or configs))
        if args.cache_features:
            keep_still(cfg)
        if 'train_cfg.val_interval' not in args.cfg_options:
            validate_often(cfg)
        configs[Path(path).stem] = cfg
    variants = gather(configs, args.upsamplers, not args.only)
    first = variants[0].cfg
    check_weights(first)
    if args.cache_features and not args.report:
        check_keepable(first)
    metric = find_metric(args.metric) if args.metric else primary_metric(first)
    baselines = tuple(name for name in CONTROLS if not args.only) or (variants[0].name,)
    # it has no parameters of its own, so that all variants have what it has
    start = Variant('start', with_upsampler(variants[0].cfg, dict(type='nearest')))
    return make_plan(
        folder, variants, start, args.seeds, metric, baselines, args.cache_features, processes
    )


def default_folder(args: argparse.Namespace) -> str:
    data = 'shapes' if args.shapes else args.data and Path(args.data).resolve().name
    names = [f'compare_{Path(args.configs[0]).stem}', data]
    return str(Path('work_dirs') / '_'.join(filter(None, names)))


def processes_of(args: argparse.Namespace) -> int:
    """How many processes the flags let train a run.

    Raises:
        ValueError: They name none, or this process is itself one of several.
    """
    if is_torchelastic_launched():
        raise ValueError(
            'tools/compare.py starts the processes of its runs itself: call it with python, and '
            'say --launcher pytorch --processes N.'
        )
    if args.processes is not None:
        if args.processes < 1:
            raise ValueError(f'--processes {args.processes}: give a number from 1 on.')
        return args.processes
    if args.launcher == 'none':
        return 1
    gpus = _gpus(args)
    if not gpus:
        raise ValueError(
            '--launcher pytorch: there is no GPU here; say with --processes N how many processes '
            'train a run on the CPU.'
        )
    return len(gpus)


def devices_of(args: argparse.Namespace) -> list[tuple[int, ...]]:
    """For each run that is done at a time, the GPUs of its processes: those that ``--gpus`` names,
    or one run's; none, where PyTorch takes what there is, or processes share the CPU.

    Raises:
        ValueError: ``--gpus`` names no numbers, GPUs that are not there, or a number of them that
            the processes of a run cannot take one each.
    """
    processes = processes_of(args)
    gpus = _gpus(args)
    if not gpus or processes == 1 and args.gpus is None:
        return [()]
    if args.gpus is None:
        gpus = gpus[:processes]
    together = [tuple(gpus[i : i + processes]) for i in range(0, len(gpus), processes)]
    if any(len({*numbers}) < processes for numbers in together):
        named = f'PyTorch sees {len(gpus)}' if args.gpus is None else f'--gpus names {args.gpus}'
        raise ValueError(
            f'--processes {processes}: each process of a run takes a GPU of its own, and {named}; '
            f'give {processes} GPUs, or twice as many for two runs at a time, and so on.'
        )
    return together


def _gpus(args: argparse.Namespace) -> list[int]:
    """Those that ``--gpus`` names, or all that there are."""
    there = torch.cuda.device_count()
    if args.gpus is None:
        return list(range(there))
    try:
        numbers = [int(number) for number in args.gpus.split(',')]
    except ValueError:
        raise ValueError(
            f'--gpus {args.gpus}: give numbers with commas between, such as 0,1.'
        ) from None
    missing = [number for number in numbers if not 0 <= number < there]
    if missing:
        raise ValueError(f'--gpus: there is no GPU {missing[0]}; PyTorch sees {there} here.')
    return numbers
