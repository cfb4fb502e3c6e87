"""The kernels go through Triton's compiler, which needs no device: the interpreter takes more."""

import os
from collections import Counter

import pytest
import torch

pytest.importorskip('triton.errors')

from benchmarks.instructions import compile_kernels, count, run_kernels  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get('TRITON_INTERPRET') == '1', reason='interpreted'),
]


@pytest.mark.parametrize(
    'dtype, memory_format, capability, results, access',
    [
        (torch.float32, torch.contiguous_format, 90, 1, 'v2.b32'),
        (torch.float16, torch.channels_last, 90, 8, 'v4.b32'),
        (torch.bfloat16, torch.contiguous_format, 80, 1, 'b32'),
    ],
)
def test_every_kernel_compiles_to_as_little_as_it_should(
    dtype, memory_format, capability, results, access
):
    k, s = 3, 2
    compiled = compile_kernels(
        capability, lambda: run_kernels(128, 8, 48, k, s, 64, dtype, memory_format)
    )
    names = Counter(kernel.metadata.name for kernel in compiled)
    assert names == {
        'reassemble_kernel': 3,
        'sample_kernel': 1,
        'spread_kernel': 2,
        'scores_kernel': 1,
        'sample_backward_kernel': 1,
    }
    for kernel in compiled:
        found = count(kernel)
        if found.kernel == 'reassemble_kernel':
            # one multiply-add for each tap, place and channel, and a read for each tap
            assert found.loop['FFMA'] == k**2 * s**2 * results
            assert sum(n for kind, n in found.loop.items() if kind.startswith('LDG')) == k**2
            # two places of a row, or eight channels, in one access
            assert f'st.global.{access}' in kernel.asm['ptx']
        forward = found.kernel in ('reassemble_kernel', 'sample_kernel')
        if forward and memory_format == torch.contiguous_format:
            # nothing goes from thread to thread
            assert not found.loop.keys() & {'LDS', 'STS', 'BAR'}
