"""python -m mmdyup.datasets.shapes DIR: make the Shapes data set."""

import argparse
import sys

from .generate import generate_shapes


def main() -> None:
    parser = argparse.ArgumentParser(prog='python -m mmdyup.datasets.shapes', description=__doc__)
    parser.add_argument('dir', metavar='DIR', help='folder to make; its parents are made too')
    parser.add_argument('--seed', type=int, default=0, help='another seed, other pictures')
    args = parser.parse_args()
    try:
        print(generate_shapes(args.dir, seed=args.seed))
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
