"""What the Triton kernels compile to at the papers' size with batch 16, for compute capability 9.0:
python tools/count_instructions.py.

Needs Triton, but no GPU. A row is a kernel: registers of a thread, bytes that it spills, and the
instructions of its innermost loop, by kind.
"""

import preamble  # noqa: F401  # isort: skip  (before all else)

import argparse
import sys

from mmdyup.ops.backends import HAS_TRITON

if not HAS_TRITON:
    sys.exit('The kernels need Triton 3, which PyTorch 2.4 and later bring with CUDA: install one.')
from benchmarks.case import DTYPES, LAYOUTS
from benchmarks.instructions import compile_kernels, count, run_kernels


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--dtype',
        choices=DTYPES,
        default='float32',
        help='dtype of all but the offsets of samples (default: float32)',
    )
    parser.add_argument(
        '--layout',
        choices=LAYOUTS,
        default='contiguous',
        help='memory layout of every map (default: contiguous)',
    )
    args = parser.parse_args()
    for kernel in compile_kernels(
        90, lambda: run_kernels(256, 120, 120, 5, 2, 16, DTYPES[args.dtype], LAYOUTS[args.layout])
    ):
        found = count(kernel)
        kinds = ', '.join(f'{number} {kind}' for kind, number in found.loop.most_common(8))
        print(
            f'{found.kernel}: {found.registers} registers, {found.spilled} bytes spilled, '
            f'loop {found.loop.total()} ({kinds})'
        )


if __name__ == '__main__':
    main()
