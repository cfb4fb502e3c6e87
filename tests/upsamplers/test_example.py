"""The upsampler that CONTRIBUTING.md shows keeps the contract."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

EXAMPLE = Path(__file__).with_name('example.py')


# in a process of its own: in this one it would enter the list that other tests go over
@pytest.mark.slow
def test_the_example_passes():
    answer = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', EXAMPLE], capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout
    passed = re.search(r'(\d+) passed', answer.stdout)
    assert int(passed[1]) > 25
    # an old PyTorch lacks what the others need
    assert 'skipped' not in answer.stdout or not hasattr(getattr(torch, 'export', 0), 'Dim')
