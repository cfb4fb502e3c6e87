"""Test a checkpoint: python tools/test.py CONFIG CHECKPOINT (--help lists the flags)."""

from preamble import one_sentence, room_on_disk  # isort: skip  (before all else)

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from recipes.checks import check_data
from recipes.cli import load_config, make_parser
from recipes.config import evaluators
from recipes.fits import check_fits, read_checkpoint
from recipes.outcome import DrawableHook, predict_alone, save_pictures
from recipes.processes import joined


def parse_args(argv):
    parser = make_parser('Test a checkpoint.')
    parser.add_argument('checkpoint', help='checkpoint file (.pth)')
    parser.add_argument('--out', metavar='FILE.pkl', help='save the predictions here')
    return parser.parse_args(argv)


def prepare(args):
    if args.out and Path(args.out).suffix not in ('.pkl', '.pickle'):
        raise ValueError(f'--out {args.out}: give a name that ends in .pkl, for it is a pickle.')
    cfg = load_config(args)
    checkpoint = read_checkpoint(args.checkpoint)
    if not check_data(cfg, ('test',), not args.no_check).labelled:
        predict_alone(cfg, Path(cfg.work_dir))
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.out:
        kind = 'DumpDetResults' if cfg.get('default_scope') == 'mmdet' else 'DumpResults'
        dump = dict(type=kind, out_file_path=args.out)
        cfg.test_evaluator = [*evaluators(cfg.test_evaluator), dump]
    if args.show_dir:
        save_pictures(cfg, str(Path(args.show_dir).resolve()))
    return cfg, checkpoint


def main(argv=None):
    args = parse_args(argv)
    with one_sentence():
        cfg, checkpoint = prepare(args)
    with room_on_disk(), joined(cfg):
        runner = Runner.from_cfg(cfg)
        if args.show_dir:
            runner.register_hook(DrawableHook())
        with one_sentence():
            check_fits(runner.model, runner.cfg, args.checkpoint, checkpoint)
        del checkpoint
        runner.test()
        alone = any(metric.get('format_only') for metric in evaluators(cfg.test_evaluator))
        if alone and is_main_process():
            for path in sorted(Path(cfg.work_dir).glob('predictions*.json')):
                print(f'Predictions: {path}', flush=True)


if __name__ == '__main__':
    main()
