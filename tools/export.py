"""Export a trained model to ONNX: python tools/export.py CONFIG CHECKPOINT FILE.onnx

--help lists the flags, docs/deploy.md says how to run the file.
"""

from preamble import one_sentence  # isort: skip  (before all else)

import argparse
from copy import deepcopy
from pathlib import Path

import torch

from exporting.compare import Differs, compare
from exporting.graph import EXPORTERS, CannotExport, describe, write_graph
from exporting.inputs import inputs_of, normalization
from exporting.parts import Exported
from mmdyup.ops.backends import RUNTIMES
from recipes.cli import add_model_flags, load_config
from recipes.model import build_model, make_ready


def parse_args(argv):
    parser = argparse.ArgumentParser(
        description='Exports a model to ONNX, and compares it with PyTorch at two sizes.'
    )
    add_model_flags(parser)
    parser.add_argument('checkpoint', help='checkpoint file (.pth)')
    parser.add_argument('out', metavar='FILE.onnx', help='the ONNX file')
    part = parser.add_mutually_exclusive_group()
    part.add_argument(
        '--model',
        action='store_true',
        help='the whole segmenter; of a detector backbone, neck and dense head (the default)',
    )
    part.add_argument('--neck', action='store_true', help='backbone and neck alone')
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help='the first size that is compared (default: that of a picture after the pipeline of '
        'the config)',
    )
    parser.add_argument(
        '--half',
        action='store_true',
        help='weights and maps in float16; positions of samples stay in float32',
    )
    parser.add_argument(
        '--runtime',
        choices=RUNTIMES,
        default='onnxruntime',
        help='where the file will run, which decides the form that upsamplers take in it',
    )
    parser.add_argument(
        '--exporter',
        choices=EXPORTERS,
        help="which of PyTorch's exporters writes the file (default: the first of them whose file "
        'takes pictures of any size)',
    )
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    return parser.parse_args(argv)


def prepare(args):
    out = Path(args.out)
    if out.suffix != '.onnx':
        raise ValueError(f'{out}: give a name that ends in .onnx.')
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f'There is no folder {out.parent} for {out.name}: make it first.')
    if args.size and min(args.size) < 1:
        raise ValueError('--size needs a height and a width of 1 or more.')
    cfg = load_config(args)
    model = make_ready(build_model(cfg), cfg, args.checkpoint).cpu()
    return cfg, Exported(model, args.neck)


def export(args, part: Exported, inputs: list[dict], path: Path) -> tuple[str, bool, list[str]]:
    """Writes the file, for any size if the model allows it, and compares it with PyTorch.

    Returns:
        How it was written, whether pictures may have any size, and a line for every comparison.

    Raises:
        ValueError: No exporter writes a file that gives what the model does.
    """
    written = deepcopy(part).half() if args.half else part
    first = next(iter(inputs[0].values()))
    with torch.no_grad():
        names = list(part.results(first))
    image = first.half() if args.half else first
    chosen = [args.exporter] if args.exporter else EXPORTERS
    tries = [(exporter, True) for exporter in chosen] + [(exporter, False) for exporter in chosen]
    for exporter, any_size in tries:
        compared = {**inputs[0], **inputs[1]} if any_size else inputs[0]
        try:
            opset = write_graph(written, image, path, names, exporter, args.runtime, any_size)
            lines = compare(part, path, compared, args.half, args.runtime)
        except (CannotExport, Differs) as error:
            failure = error
        else:
            return f'opset {opset}, by the {exporter} exporter', any_size, lines
    path.unlink(missing_ok=True)
    raise ValueError(f'{args.config} cannot be exported: {str(failure).rstrip(".")}.') from failure


def main(argv=None):
    args = parse_args(argv)
    path = Path(args.out)
    with one_sentence():
        cfg, part = prepare(args)
        inputs = inputs_of(cfg, part.model, args.size)
        how, any_size, lines = export(args, part, inputs, path)
        image = next(iter(inputs[0].values()))
        size = 'any size' if any_size else '{}×{} alone'.format(*image.shape[2:])
        facts = dict(normalization(part.model), size=size)
        describe(path, dict(facts, config=Path(args.config).name, runtime=args.runtime))
    print(f'Exported: {part.about()} of {args.config}')
    print(f'  file      {path}, {path.stat().st_size / 2**20:.1f} MB, {how}')
    print(
        f'  image     (1, 3, H, W) of {size}, {"float16" if args.half else "float32"}: '
        f'{facts["channels"]}, minus ({facts["mean"]}), divided by ({facts["std"]})'
    )
    print('  compared  the largest difference to PyTorch, in parts of the largest value')
    for line in lines:
        print(f'            {line}')


if __name__ == '__main__':
    main()
