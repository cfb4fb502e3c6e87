"""Train a model: python tools/train.py CONFIG (--help lists the flags)."""

from preamble import one_sentence  # isort: skip  (before all else)

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from recipes.checks import check_checkpoint, check_data, check_weights
from recipes.cli import load_config, make_parser, use_amp
from recipes.outcome import conclude


def parse_args(argv):
    parser = make_parser('Train a model.')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint, or from the last in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the number of GPUs times the batch size',
    )
    return parser.parse_args(argv)


def prepare(args):
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
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if cfg.get('load_from'):
        check_checkpoint(cfg.load_from)
    check_data(cfg, ('train', 'val'), not args.no_check)
    check_weights(cfg)
    return cfg


def main(argv=None):
    args = parse_args(argv)
    with one_sentence():
        cfg = prepare(args)
    runner = Runner.from_cfg(cfg)
    runner.train()
    if is_main_process():
        conclude(runner, args.show_dir or runner.work_dir)


if __name__ == '__main__':
    main()
