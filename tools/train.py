"""Train a model: python tools/train.py CONFIG (--help lists the flags)."""

from preamble import one_sentence, room_on_disk  # isort: skip  (before all else)

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from recipes.checks import check_data, check_weights
from recipes.cli import add_training_flags, load_training_config, make_parser
from recipes.outcome import conclude
from recipes.processes import joined
from recipes.start import check_start, choose_start, claim, resume_exactly


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
    checkpoint = choose_start(cfg, args.resume)
    check_data(cfg, ('train', 'val'), not args.no_check)
    check_weights(cfg)
    resume_exactly(cfg)
    return cfg, checkpoint


def main(argv=None):
    args = parse_args(argv)
    with one_sentence():
        cfg, checkpoint = prepare(args)
        lock = claim(cfg.work_dir)
    with room_on_disk(), joined(cfg):
        runner = Runner.from_cfg(cfg)
        with one_sentence():
            check_start(runner, checkpoint)
        del checkpoint
        runner.train()
        if is_main_process():
            conclude(runner, args.show_dir or runner.work_dir)
            lock.close()


if __name__ == '__main__':
    main()
