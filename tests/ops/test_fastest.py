"""What ``MMDYUP_BACKEND=fastest`` chooses, on made-up clocks."""

import itertools
import warnings

import pytest
import torch

from mmdyup import ops
from mmdyup.ops import backends, fastest
from mmdyup.testing import needs_operators_in_graphs

X, M = torch.randn(1, 4, 3, 5), torch.randn(1, 9, 6, 10)
SLOW, FAST = 5.0, 1.0


@pytest.fixture(autouse=True)
def asked_for(monkeypatch):
    monkeypatch.setenv('MMDYUP_BACKEND', 'fastest')
    monkeypatch.setattr(fastest, '_CHOSEN', {})
    monkeypatch.setattr(backends, 'HAS_CPP', True)
    if not backends.HAS_CPP:
        pytest.skip("mmdyup's C++ code is not built")


@pytest.fixture
def ran(monkeypatch):
    """Replaces the clock: a round of the backend in ``slow`` takes longer. Gives the calls."""
    calls, state = [], dict(now=0.0, slow='native')

    def run(package, primitive, backend, args, make_room, of=backends.run):
        calls.append((primitive, backend))
        state['now'] += SLOW if backend == state['slow'] else FAST
        return of(package, primitive, backend, args, make_room)

    monkeypatch.setattr(backends, 'run', run)
    monkeypatch.setattr(fastest.time, 'perf_counter', lambda: state['now'])
    return calls, state


@pytest.mark.parametrize('slow, expected', [('native', 'cpp'), ('cpp', 'native')])
def test_the_fastest_runs_and_is_measured_once(slow, expected, ran):
    calls, state = ran
    state['slow'] = slow
    y = ops.carafe(X, M)
    torch.testing.assert_close(y, ops.carafe(X, M, backend='reference'))
    # forward and both gradients were timed, of every backend that runs here
    timed = set(itertools.product(('reassemble', 'scores', 'spread'), ('cpp', 'native')))
    assert timed <= set(calls)
    calls.clear()
    ops.carafe(X, M)
    assert calls == [('reassemble', expected)]
    ops.carafe(X, M.contiguous(memory_format=torch.channels_last))
    assert len(calls) > 2  # another layout is another call


@pytest.mark.parametrize(
    'call',
    [
        lambda: ops.neighborhood_scores(torch.randn(1, 4, 6, 10), X, 3),
        lambda: ops.point_sample(X, torch.randn(1, 8, 3, 5), start=torch.zeros(1, 8, 1, 1)),
        lambda: ops.expand_kernels(M[..., :3, :5], torch.randn(1, 2, 6, 10)),
        lambda: ops.expand_and_reassemble(X, M[..., :3, :5], torch.randn(1, 2, 6, 10)),
    ],
)
def test_every_operator(call, ran):
    with torch.inference_mode():
        assert call().isfinite().all()
    assert set(fastest._CHOSEN.values()) == {'cpp'}


def test_one_that_is_wrong_is_left_out_with_a_warning(ran, monkeypatch):
    from mmdyup.ops.reassembly import cpp

    def wrong(*args):
        args[-1].fill_(1)

    monkeypatch.setattr(cpp, 'reassemble', wrong)
    with pytest.warns(UserWarning, match='leaves cpp out for carafe: its result is .* roundings'):
        y = ops.carafe(X, M)
    torch.testing.assert_close(y, ops.carafe(X, M, backend='reference'))


def test_one_that_fails_is_left_out_with_a_warning(ran, monkeypatch):
    from mmdyup.ops.reassembly import cpp

    def fail(*args):
        raise RuntimeError('out of order')

    monkeypatch.setattr(cpp, 'scores', fail)
    with pytest.warns(UserWarning, match='leaves cpp out for carafe: out of order'):
        ops.carafe(X, M)
    assert set(fastest._CHOSEN.values()) == {'native'}


def test_never_of_an_empty_batch(ran):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        ops.carafe(X[:0], M[:0])
    assert not fastest._CHOSEN


@needs_operators_in_graphs
@pytest.mark.slow
def test_never_in_a_graph(ran):
    torch.compile(ops.carafe, fullgraph=True, backend='aot_eager')(X, M)
    assert not fastest._CHOSEN
