"""How many of mmdet's and mmseg's stock configs take an upsampler: python tools/count_models.py

Every stock config gets the README's lines: each neck, head or backbone that has a part of ours
becomes that part. The parts are then built, alone and without memory for their weights. A row of
the table is a family, the folder of its configs.

--step also builds the whole model of one config for each family and set of parts, the smallest,
takes one training step on random pictures, and looks for a gradient in every upsampler.
"""

import preamble  # isort: skip  (before all else)

import argparse
import warnings

from mmdyup.upsamplers.build import find_upsampler
from models.count import build_parts, read, summary, table
from models.rewrite import FOLDERS
from models.step import step_each


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--framework', choices=FOLDERS, help='one of them alone')
    parser.add_argument('--family', nargs='+', default=[], help='these families alone')
    parser.add_argument('--upsampler', default='DySample', help='type of the upsampler')
    parser.add_argument('--step', action='store_true', help='take a training step with each kind')
    args = parser.parse_args(argv)
    warnings.simplefilter('ignore')
    with preamble.one_sentence():
        find_upsampler(dict(type=args.upsampler))
        for framework in [args.framework] if args.framework else FOLDERS:
            stocks = list(read(framework, dict(type=args.upsampler), args.family))
            build_parts(stocks)
            print(table(stocks), summary(framework, stocks), sep='\n\n', end='\n\n', flush=True)
            if args.step:
                for line in step_each(framework, stocks):
                    print(line, flush=True)


if __name__ == '__main__':
    main()
