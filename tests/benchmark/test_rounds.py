import itertools

import pytest

from mmdyup.benchmark import clock
from mmdyup.benchmark.rounds import calls_per_sample, interleave
from mmdyup.benchmark.spread import Spread, ratios, spread


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


def test_the_clock_tells_the_mean_of_a_call(monkeypatch):
    now = itertools.count(10)
    monkeypatch.setattr(clock.time, 'perf_counter', lambda: float(next(now)))
    called = []
    # each call takes a tick itself, the second reading another
    assert clock.cpu_clock(lambda: called.append(next(now)), 4) == 5 / 4
    assert len(called) == 4


def test_quartiles_and_ratios():
    assert spread([4, 1, 2, 3, 5]) == Spread(2, 3, 4)
    assert spread([7]) == Spread(7, 7, 7)
    assert ratios([2, 6, 3], [1, 2, 4]) == [2, 3, 0.75]
