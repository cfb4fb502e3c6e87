"""The kernels' tests where there is no GPU: in processes of their own, by Triton's interpreter.

The interpreter has to be asked for before Triton is imported, which torch.compile does too.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_kernels_in_the_interpreter():
    pytest.importorskip('triton.errors')
    if os.environ.get('TRITON_INTERPRET') == '1':
        pytest.skip('it runs already')
    tests = Path(__file__).with_name('test_triton_kernels.py')
    command = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', tests, '-k']
    # two of them, for two cores
    runs = [
        subprocess.Popen(
            [*command, f'cpu and {some}'],
            env=os.environ | dict(TRITON_INTERPRET='1', CUDA_VISIBLE_DEVICES=''),
            cwd=tests.parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for some in ('carafe', 'not carafe')
    ]
    for run, text in [(run, run.communicate()[0]) for run in runs]:
        assert run.returncode == 0, text
        assert ' passed' in text and 'skipped' not in text
