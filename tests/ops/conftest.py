from contextlib import contextmanager

import pytest
import torch

from mmdyup.ops import backends
from mmdyup.ops.backends import GRAPHS_HOLD_OPERATORS, HAS_CPP


@pytest.fixture(params=['cpp', 'native'])
def way(request, monkeypatch):
    """What 'auto' chooses: a test that uses it runs both ways."""
    if request.param == 'cpp':
        if not HAS_CPP:
            pytest.skip("mmdyup's C++ code is not built")
        if 'device' in request.fixturenames and request.getfixturevalue('device') != 'cpu':
            pytest.skip("mmdyup's C++ code is for the CPU")
    monkeypatch.setenv('MMDYUP_BACKEND', request.param)
    return request.param


@pytest.fixture
def check_compiled():
    """Whether ``run(x, other)``, compiled once for any size, gives the same, gradients too.

    It is one graph where PyTorch can hold operators in graphs.

    ``make(h, w)`` gives the two tensors, and ``x`` is taken in ``memory_format``.
    """

    def check(run, make, memory_format=torch.contiguous_format):
        compiled = torch.compile(
            run, fullgraph=GRAPHS_HOLD_OPERATORS, dynamic=True, backend='aot_eager'
        )
        for size in [(5, 3), (6, 7)]:
            x, other = make(*size)
            feature = x.to(memory_format=memory_format)
            y, expected = compiled(feature, other), run(feature, other)
            assert y.is_contiguous(memory_format=memory_format)
            torch.testing.assert_close(y, expected)
            grad = torch.randn_like(y)
            torch.testing.assert_close(
                torch.autograd.grad(y, (x, other), grad),
                torch.autograd.grad(expected, (x, other), grad),
            )

    return check


@pytest.fixture
def set_threads(monkeypatch):
    """``with set_threads(n):`` has PyTorch and our C++ work with n threads, little work too."""
    if HAS_CPP:
        for package in ('reassembly', 'sampling', 'attention'):
            monkeypatch.setattr(f'mmdyup.ops.{package}.cpp._LITTLE', 0)

    @contextmanager
    def change(threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    return change


@pytest.fixture(autouse=True)
def no_empty_results(monkeypatch):
    """The room that a backend fills holds no numbers, so that what is not written shows.

    PyTorch's own functions stay as they are: it remembers which of them make tensors.
    """

    def run(package, primitive, backend, args, make_room, of=backends.run):
        def make_poisoned():
            room = make_room()
            for result in room if isinstance(room, tuple) else (room,):
                result.fill_(torch.nan)
            return room

        return of(package, primitive, backend, args, make_poisoned)

    monkeypatch.setattr(backends, 'run', run)
