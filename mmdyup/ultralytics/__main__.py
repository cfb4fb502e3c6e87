"""The command: a model of Ultralytics with another upsampler, or rows of ours in ``yolo``.

python -m mmdyup.ultralytics SOURCE UPSAMPLER [--p2] [ARGUMENT=VALUE ...]
python -m mmdyup.ultralytics enable | disable
"""

import argparse
import sys

from . import disable, enable, upsampled
from .rows import split


def main() -> int:
    parser = argparse.ArgumentParser(
        prog='python -m mmdyup.ultralytics',
        description='Write a model of Ultralytics in which every nn.Upsample is another upsampler, '
        'or let the plain yolo command know the rows of mmdyup.',
    )
    parser.add_argument('source', help='yolo11n.yaml, yolo11n.pt and the like; or enable, disable')
    parser.add_argument('name', nargs='?', help='the upsampler, such as DySample')
    parser.add_argument('options', nargs='*', help='its arguments, such as dyscope=True')
    parser.add_argument('--p2', action='store_true', help='a fourth level of stride 4, for YOLO11')
    args = parser.parse_args()
    if args.source == 'enable':
        print(f'Enabled, in {enable()}; `python -m mmdyup.ultralytics disable` undoes it.')
        return 0
    if args.source == 'disable':
        disable()
        print('Disabled.')
        return 0
    if args.name is None:
        parser.error('name an upsampler, such as DySample')
    if not all('=' in option for option in args.options):
        parser.error('arguments are written as dyscope=True')
    options = dict(option.split('=', 1) for option in args.options)
    try:
        file = upsampled(args.source, args.name, p2=args.p2, **split([options])[1])
    except (ImportError, OSError, TypeError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'Wrote {file}: yolo train model={file} data=...')
    return 0


if __name__ == '__main__':
    sys.exit(main())
