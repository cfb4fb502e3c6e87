"""A table of runs made by hand, and what is said of it."""

from dataclasses import replace

import pytest
from scipy import stats

from comparing.findings import find
from comparing.metrics import Metric
from comparing.report import facts_of, markdown
from comparing.sentences import reading, sentences
from comparing.tables import table


def test_differences_are_of_pairs(plan, records, scores):
    findings = find(plan, records)
    found = {(d.variant, d.baseline): d for d in findings.differences}
    assert list(found) == [
        ('bilinear', 'nearest'),
        ('dysample', 'nearest'),
        ('dysample', 'bilinear'),
    ]
    expected = stats.ttest_rel(scores['bilinear'], scores['nearest'])
    difference = found['bilinear', 'nearest']
    assert difference.paired.p == pytest.approx(expected.pvalue)
    # the smaller of two p-values counts twice
    assert difference.p == pytest.approx(2 * expected.pvalue)
    family = expected.confidence_interval(1 - 0.05 / 2)
    assert difference.family == pytest.approx(tuple(family))
    assert [d.verdict for d in findings.differences] == ['better', 'open', 'open']
    assert findings.floor.mean == pytest.approx(0.02)


def test_a_sentence_each(plan, records):
    bilinear, near, against_bilinear = sentences(find(plan, records))
    assert bilinear.startswith('bilinear is 1.04 box AP above nearest, between +0.87 and +1.21: ')
    assert bilinear.endswith('better, in 5 of 5 seeds (p is below 0.001 among 2 comparisons).')
    assert near.startswith('dysample is 0.50 box AP above nearest, between −')
    assert 'not told apart by 5 seeds, which show differences from ' in near
    assert ' on; 0.30 box AP would take about ' in near
    assert near.endswith('more of this machine.')
    assert against_bilinear.startswith('dysample is 0.54 box AP below bilinear')
    # 0.1, -0.1, 0.2, -0.1 and 0
    assert 'lies +0.02 from itself on average of 5 seeds' in reading(find(plan, records))[1]
    assert 'differ by 0.12 (root mean square)' in reading(find(plan, records))[1]


def test_hours_are_of_the_pairs_that_are_missing(plan, records):
    difference = find(plan, records).differences[1]
    # a minute a run, two runs a pair
    assert difference.hours == pytest.approx((difference.needed - 5) * 2 / 60)
    low, high = difference.needed_range
    assert low < difference.needed < high


def test_no_verdict_under_five_seeds(plan, records):
    few = {key: line for key, line in records.items() if line['seed'] < 4}
    findings = find(plan, few)
    assert {d.verdict for d in findings.differences} == {'too few'}
    assert all('give no verdict' in sentence for sentence in sentences(findings))
    assert '4 of 5 seeds are complete' in findings.cautions[0]
    assert not any('Pairing removed' in told for told in reading(findings))
    assert 'Pairing removed' in reading(find(plan, records))[2]
    head, lines = table(findings)
    assert [line[head.index('p, of all')] for line in lines] == ['', '', '']


def test_a_comparison_that_is_not_there_yet_counts(plan, records):
    early = {key: line for key, line in records.items() if line['variant'] != 'dysample'}
    (difference,) = find(plan, early).differences
    assert difference.p == pytest.approx(2 * difference.paired.p)


def test_nothing_yet(plan):
    assert 'not yet two seeds' in sentences(find(plan, {}))[0]
    assert 'nearest' in markdown(find(plan, {}), facts_of(plan, {}, 'command'))
    together = replace(plan, processes=2)
    assert facts_of(together, {}, 'command')['runs'].endswith('hours, each by 2 processes')


def test_alike_where_the_interval_is_narrow(plan, records, scores, line):
    for run in plan.runs:
        if run.variant == 'dysample':
            wiggle = 0.02 if run.seed % 2 else -0.02
            records[run.key] = line(run, scores['nearest'][run.seed] + wiggle)
    difference = find(plan, records).differences[1]
    assert difference.verdict == 'alike'
    assert find(plan, records, effect=0.01).differences[1].verdict == 'open'


def test_lower_may_be_better(plan, records):
    plan = replace(plan, metric=Metric('coco/bbox_mAP', 'AbsRel', 100, falls=True))
    findings = find(plan, records)
    assert findings.differences[0].verdict == 'worse'
    assert (
        'above nearest' in sentences(findings)[0] and ': worse, in 5 of 5' in sentences(findings)[0]
    )


def test_a_detector_that_finds_nothing_collapsed(plan, records, line):
    """mmdet gives no scores then."""
    nothing = next(run for run in plan.runs if run.variant == 'nearest')
    records[nothing.key] = line(nothing, 50.0, scores={}, curve=[[10, {}], [20, {}]])
    findings = find(plan, records)
    assert findings.rows[0].scores[0] == 0 and findings.rows[0].collapsed == (0,)
    assert findings.differences[0].paired.count == 5 and 'mask AP' in findings.others


def test_what_weakens_them_is_said(plan, records, line):
    by_name = {(run.variant, run.seed): run for run in plan.runs}
    collapsed, failed = by_name['bilinear', 1], by_name['dysample', 2]
    records[collapsed.key] = line(collapsed, 20.0)
    records[failed.key] = line(failed, 0.0) | dict(status='failed', error='KeyError: x')
    late = by_name['nearest', 4]
    records[late.key] = line(late, 50.2, planned=10, metric='coco/segm_mAP')
    findings = find(plan, records)
    text = '\n'.join(findings.cautions)
    assert 'bilinear with seed 1 collapsed (20 box AP); it is in all numbers' in text
    assert 'dysample with seed 2 failed (KeyError: x)' in text
    assert 'raised, from 5 to 10' in text
    assert 'another primary metric, coco/segm_mAP' in text
    assert findings.rows[1].mean == pytest.approx((51.1 + 20 + 50.6 + 51.4 + 51.4) / 5)
    assert findings.differences[1].paired.count == 4
    told = markdown(findings, facts_of(plan, records, 'command'))
    assert '20.00 collapsed' in told and 'failed' in told
    assert 'mask AP, not judged' in told
