"""Make the Shapes data set: python tools/make_shapes.py DIR (--help lists the flags)."""

import argparse
import sys

from shapes import generate_shapes


def main(argv=None):
    parser = argparse.ArgumentParser(description='Make the Shapes data set.')
    parser.add_argument('dir', metavar='DIR', help='folder to make; its parents are made too')
    parser.add_argument('--seed', type=int, default=0, help='another seed, other pictures')
    args = parser.parse_args(argv)
    try:
        print(generate_shapes(args.dir, seed=args.seed))
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
