"""Train a model: python tools/train.py CONFIG (--help lists the flags)."""

from preamble import one_sentence  # isort: skip  (before all else)

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from recipes.checks import check_checkpoint, check_data, check_weights
from recipes.cli import add_training_flags, load_training_config, make_parser
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
    add_training_flags(parser)
    return parser.parse_args(argv)


def prepare(args):
    cfg = load_training_config(args)
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if cfg.get('load_from'):
        check_checkpoint(cfg.load_from)
    check_data(cfg, ('train', 'val'))
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
