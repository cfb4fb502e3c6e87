"""The hook by which the kernels' machine code is counted where no kernel can run."""

import pytest
import torch

pytest.importorskip('triton.errors')
from mmdyup.ops.triton_tools.launch import intercept_launches, launch  # noqa: E402


def test_launches_are_handed_on_and_nothing_runs():
    x, first, second = torch.zeros(2), [], []
    with intercept_launches(lambda *args, **constants: first.append((args, constants))):
        # no kernel: to run it would fail
        launch(None, 3, x, 7, BLOCK=2)
        with pytest.raises(KeyError), intercept_launches(lambda *args: second.append(args)):
            launch(None, 1, x)
            raise KeyError
        launch(None, 0, x)
    assert first == [((None, 3, x, 7), dict(BLOCK=2)), ((None, 0, x), {})]
    assert second == [(None, 1, x)]
    launch(None, 0, x)
    assert len(first) == 2
