"""Against SciPy's own tests, published tables of sample sizes, and simulation."""

import numpy as np
import pytest
from scipy import stats

from comparing.statistics import (
    MOST,
    compare_pairs,
    deviation_interval,
    holm,
    pairs_needed,
    power,
    visible_effect,
)


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    seeds = rng.normal(50, 1, 8)
    return seeds + rng.normal(0.4, 0.5, 8), seeds + rng.normal(0, 0.5, 8)


def test_a_paired_t_test(columns):
    paired = compare_pairs(*columns)
    expected = stats.ttest_rel(*columns)
    interval = expected.confidence_interval(0.95)
    assert paired.p == pytest.approx(expected.pvalue)
    assert (paired.low, paired.high) == pytest.approx(tuple(interval))
    assert paired.mean == pytest.approx(np.mean(columns[0]) - np.mean(columns[1]))
    assert paired.better == np.sum(columns[0] > columns[1]) and paired.count == 8


def test_what_pairing_removes():
    """Runs that share their seed's part differ by a constant: all variance is gone."""
    baseline = [50.0, 52.0, 49.0, 51.0]
    paired = compare_pairs([score + 1 for score in baseline], baseline)
    assert paired.removed == pytest.approx(1) and paired.deviation == pytest.approx(0, abs=1e-12)
    # independent columns: Var(a − b) = Var(a) + Var(b)
    assert compare_pairs([1, 2, 1, 2], [1, 1, 2, 2]).removed == pytest.approx(0, abs=1e-12)


def test_pairs_that_do_not_differ():
    paired = compare_pairs([50.0, 51.0], [50.0, 51.0])
    assert (paired.p, paired.low, paired.high) == (1.0, 0.0, 0.0)


def test_holm_by_hand():
    """Holm (1979): 4 x 0.005, 3 x 0.01, 2 x 0.03, and never less than the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


# of the two-sided paired t-test at 5 % and 80 % power, as tables have them
@pytest.mark.parametrize('effect, pairs', [(0.2, 199), (0.3, 90), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_pairs_of_published_tables(effect, pairs):
    assert pairs_needed(effect, 1) == pairs
    assert pairs_needed(10 * effect, 10) == pairs


def test_many_pairs_follow_the_normal_formula():
    """(z(1 − α/2) + z(power))² (deviation / effect)²"""
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert pairs_needed(0.05, 1) == pytest.approx((z / 0.05) ** 2, rel=2e-3)
    assert pairs_needed(1e-4, 1) == MOST


def test_power_by_simulation():
    rng = np.random.default_rng(0)
    samples = rng.normal(0.9, 1, (20_000, 7))
    found = np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05)
    assert power(0.9, 1, 7) == pytest.approx(found, abs=0.01)
    assert power(100, 1, 7) == 1


def test_the_visible_effect_has_this_power():
    for count in (2, 5, 40):
        effect = visible_effect(1.3, count, 0.02)
        assert power(effect, 1.3, count, 0.02) == pytest.approx(0.8, abs=1e-3)


def test_how_sure_a_deviation_is():
    """By simulation: of 95 % of samples the interval holds the true deviation."""
    rng = np.random.default_rng(0)
    deviations = rng.normal(0, 2, (4_000, 6)).std(axis=1, ddof=1)
    held = [low <= 2 <= high for low, high in (deviation_interval(d, 6) for d in deviations)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)
