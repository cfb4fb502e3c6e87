"""The kernels' tests where there is no GPU: in a process of their own, by Triton's interpreter.

The interpreter has to be asked for before Triton is imported, which torch.compile does too.
"""
import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_kernels_in_the_interpreter():
    pytest.importorskip('triton')
    if os.environ.get('TRITON_INTERPRET') == '1':
        pytest.skip('it runs already')
    tests = Path(__file__).with_name('test_triton_kernels.py')
    command = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-k', 'cpu', tests]
    run = subprocess.run(command,
                         env=os.environ | dict(TRITON_INTERPRET='1', CUDA_VISIBLE_DEVICES=''),
                         cwd=tests.parents[2], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert ' passed' in run.stdout and 'skipped' not in run.stdout
