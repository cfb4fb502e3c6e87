"""Memory, time, and the calls that are measured."""

import itertools

import pytest
import torch

from benchmarks import measure
from benchmarks.case import Case, Features, Subject
from benchmarks.measure import Spread, Step, calls_per_sample, interleave, ratios, spread
from benchmarks.memory import peak_bytes
from benchmarks.rows import build

MB = 2**20


@pytest.fixture
def x(device):
    return torch.rand(MB // 4, device=device)


def peak(call, device):
    call()
    return peak_bytes(call, device) / MB


def test_a_result_and_nothing_else(x, device):
    assert peak(lambda: x + 1, device) == pytest.approx(1, abs=0.01)
    assert peak(lambda: x.add_(1), device) == pytest.approx(0, abs=0.01)


def test_what_is_freed_before_does_not_count(x, device):
    def one_after_the_other():
        for _ in range(3):
            y = x.repeat(4)
            del y

    assert peak(one_after_the_other, device) == pytest.approx(4, abs=0.01)
    assert peak(lambda: [x.repeat(4) for _ in range(3)], device) == pytest.approx(12, abs=0.01)


def test_temporaries_inside_an_operator(x):
    # the median of all is a number, but a copy of the input is sorted on the way
    assert peak(x.cpu().median, 'cpu') == pytest.approx(1, abs=0.01)


def test_saved_for_the_backward_pass(x, device):
    x.requires_grad_()

    def gradient():
        y = x.exp()
        return y, torch.autograd.grad(y, x, torch.ones_like(y))

    # result, incoming gradient, gradient
    assert peak(gradient, device) == pytest.approx(3, abs=0.01)


class FakeClock:
    """Every sample costs ``seconds[name]`` on a machine that becomes slower all the time."""

    def __init__(self, seconds, drift=1.0):
        self.seconds, self.drift, self.speed, self.log = seconds, drift, 1.0, []

    def __call__(self, call, times):
        name = call()
        self.log.append((name, times))
        self.speed *= self.drift
        return self.seconds[name] * self.speed


def test_all_take_turns_in_every_round():
    fake = FakeClock(dict(a=1, b=2, c=3))
    rounds = []
    samples = interleave(
        {name: lambda name=name: name for name in 'abc'},
        3,
        fake,
        lambda: rounds.append(len(fake.log)),
    )
    assert [name for name, _ in fake.log] == list('aabbcc' + 'abc' * 3)
    assert rounds == [9, 12, 15]
    assert samples == dict(a=[1] * 3, b=[2] * 3, c=[3] * 3)


def test_a_drift_leaves_the_ratios():
    fake = FakeClock(dict(a=1, b=2), drift=1.1)
    samples = interleave({name: lambda name=name: name for name in 'ab'}, 8, fake)
    assert samples['b'][-1] > 3 * samples['b'][0]
    found = spread(ratios(samples['b'], samples['a']))
    # b comes one step of the drift after a
    assert found == Spread(*[pytest.approx(2 * 1.1)] * 3)


def test_short_calls_are_timed_together():
    assert calls_per_sample(lambda: 'a', FakeClock(dict(a=1))) == 1
    assert calls_per_sample(lambda: 'a', FakeClock(dict(a=0.0004))) == 13
    assert calls_per_sample(lambda: 'a', FakeClock(dict(a=0))) == 200


@pytest.mark.parametrize('threads, clock', [(1, 'process_time'), (2, 'perf_counter')])
def test_the_clock_tells_the_mean_of_a_call(threads, clock, monkeypatch):
    now = itertools.count(10)
    monkeypatch.setattr(measure.torch, 'get_num_threads', lambda: threads)
    monkeypatch.setattr(measure.time, clock, lambda: float(next(now)))
    called = []
    # each call takes a tick itself, the second reading another
    assert measure.cpu_clock(lambda: called.append(next(now)), 4) == 5 / 4
    assert len(called) == 4


def test_quartiles_and_ratios():
    assert spread([4, 1, 2, 3, 5]) == Spread(2, 3, 4)
    assert spread([7]) == Spread(7, 7, 7)
    assert ratios([2, 6, 3], [1, 2, 4]) == [2, 3, 0.75]


CASE = Case(8, 4, 3, dtype='float64')


def test_forward_keeps_no_graph():
    subject = build('dysample', CASE)
    inputs = Features(CASE).sets(subject)
    y = Step(subject, 'forward', inputs, CASE.high(8))()
    assert not y.requires_grad
    torch.testing.assert_close(y, subject.run(*inputs[0]))


def test_forward_and_backward_gives_every_gradient():
    for name in ('dysample_plus', 'carafe', 'reassembly', 'point_sample'):
        subject = build(name, CASE)
        (inputs,) = Features(CASE).sets(subject)
        grad = CASE.high(8)
        y, *found = Step(subject, 'forward_backward', [inputs], grad)()
        (subject.run(*inputs) * grad).sum().backward()
        wanted = [tensor.grad for tensor in (*inputs, *subject.parameters)]
        assert len(found) == len(wanted) >= 2
        torch.testing.assert_close(found, wanted)


def test_inputs_are_taken_in_turn():
    seen = []
    subject = Subject(lambda x: seen.append(int(x)), 0)
    step = Step(subject, 'forward', [(torch.tensor(number),) for number in range(3)], None)
    for _ in range(7):
        step()
    assert seen == [0, 1, 2, 0, 1, 2, 0]


def test_features_outgrow_the_cache_of_a_gpu(device):
    case = Case(256, 64, 64, device=device)
    features = Features(case).all
    if device == 'cpu':
        assert len(features) == 1
    else:
        cache = torch.cuda.get_device_properties(0).L2_cache_size
        assert sum(feature.nbytes for feature in features[1:]) >= 2 * cache
