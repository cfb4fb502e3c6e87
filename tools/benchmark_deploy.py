"""Time exported upsamplers in ONNX Runtime and OpenVINO: python tools/benchmark_deploy.py

--help lists the flags.
"""

from preamble import command_line, one_sentence  # isort: skip  (before all else)

import argparse
import platform
import warnings
from importlib.metadata import version

from exporting.timing import table, time_all
from mmdyup import list_upsamplers

USUAL = ['dysample', 'dysample_plus', 'carafe', 'dlu']


def parse_args(argv):
    parser = argparse.ArgumentParser(
        description="Times exported upsamplers beside each runtime's bilinear Resize, on the CPU."
    )
    parser.add_argument(
        '--upsamplers', nargs='+', default=USUAL, metavar='NAME', help=', '.join(list_upsamplers())
    )
    parser.add_argument(
        '--size', nargs=3, type=int, default=(256, 120, 120), metavar=('C', 'H', 'W')
    )
    parser.add_argument('--scale-factor', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--threads', type=int, default=2)
    return parser.parse_args(argv)


def check(args):
    unknown = [name for name in args.upsamplers if name not in list_upsamplers()]
    if unknown:
        raise ValueError(
            f'There is no upsampler {unknown[0]}: choose of {", ".join(list_upsamplers())}.'
        )
    if min(*args.size, args.scale_factor, args.rounds, args.threads) < 1:
        raise ValueError('--size, --scale-factor, --rounds and --threads must be 1 or more.')


def main(argv=None):
    args = parse_args(argv)
    with one_sentence():
        check(args)
        warnings.simplefilter('ignore')
        times = time_all(
            args.upsamplers, tuple(args.size), args.scale_factor, args.rounds, args.threads
        )
    print(command_line('benchmark_deploy.py', argv))
    versions = ', '.join(f'{name} {version(name)}' for name in ('torch', 'onnxruntime', 'openvino'))
    print(f'{platform.processor() or platform.machine()}, {args.threads} threads; {versions}\n')
    print(table(times, args.upsamplers))


if __name__ == '__main__':
    main()
