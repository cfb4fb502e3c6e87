"""What the runs of a comparison show so far."""

import statistics
from dataclasses import dataclass

from .metrics import Metric, find_metric
from .plan import Plan
from .records import is_done
from .statistics import (
    LEVEL,
    Paired,
    compare_pairs,
    deviation_interval,
    holm,
    interval,
    pairs_needed,
    visible_effect,
)
from .variants import AGAIN

#: Fewer pairs give no verdict.
FEWEST = 5
#: A run is called collapsed whose score is not this part of the median of all.
COLLAPSED = 0.75


@dataclass(frozen=True)
class Row:
    """What the runs of a variant reached.

    Args:
        name: The variant.
        runs: The records of those that are done, by seed.
        scores: Their primary scores in points, by seed.
        failed: Why others failed, by seed.
        collapsed: The seeds of runs that learned next to nothing.
    """

    name: str
    runs: dict[int, dict]
    scores: dict[int, float]
    failed: dict[int, str]
    collapsed: tuple[int, ...]

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.scores.values()) if self.scores else None

    @property
    def deviation(self) -> float | None:
        return statistics.stdev(self.scores.values()) if len(self.scores) > 1 else None

    def median_of(self, fact: str) -> float | None:
        """The median over runs of what records call ``fact``; None where it is not known."""
        found = [run[fact] for run in self.runs.values() if run[fact] is not None]
        return statistics.median(found) if found else None


@dataclass(frozen=True)
class Difference:
    """A variant beside a baseline.

    Args:
        variant: The one.
        baseline: The other.
        paired: What their pairs say.
        comparisons: How many variants are compared with this baseline.
        p: Holm's p-value over these.
        family: The ends of the interval that is wide enough for all of them (Bonferroni).
        verdict: 'better', 'worse', 'alike', 'open', or 'too few' pairs for any.
        needed: Pairs that would tell ``effect`` apart, all comparisons allowed for.
        needed_range: Between what this lies, for few pairs hardly tell how much they differ.
        visible: The smallest difference that as many pairs as there are would tell apart.
        hours: How long the pairs take that are still needed, one run after the other.
    """

    variant: str
    baseline: str
    paired: Paired
    comparisons: int
    p: float
    family: tuple[float, float]
    verdict: str
    needed: int
    needed_range: tuple[int, int]
    visible: float
    hours: float


@dataclass(frozen=True)
class Findings:
    """All that is reported.

    Args:
        metric: The primary one.
        effect: The difference, in points, that one would like to see.
        planned: How many seeds were asked for.
        rows: The variants.
        again: The first variant once more.
        differences: Of every variant and baseline that have two pairs.
        floor: The first variant beside itself, if it has two pairs.
        others: Differences of other scores, by their name: seen, but not judged.
        cautions: Sentences on what weakens the findings.
    """

    metric: Metric
    effect: float
    planned: int
    rows: tuple[Row, ...]
    again: Row
    differences: tuple[Difference, ...]
    floor: Paired | None
    others: dict[str, tuple[tuple[str, str, Paired], ...]]
    cautions: tuple[str, ...]


def find(plan: Plan, records: dict[str, dict], effect: float | None = None) -> Findings:
    """What ``records``, by their keys, say of ``plan``.

    Args:
        plan: The comparison.
        records: Of runs of it, and perhaps of others.
        effect: The smallest difference that would matter; the metric's own unless given.
    """
    effect = effect or plan.metric.effect
    found = {}
    for run in plan.runs:
        if run.key in records:
            found.setdefault(run.variant, {})[run.seed] = records[run.key]
    limit = _collapse_limit(plan.metric, found)
    first = plan.variants[0]
    rows = {
        name: _row(name, found.get(name, {}), plan.metric, limit)
        for name in (*plan.variants, first + AGAIN)
    }
    again = rows.pop(first + AGAIN)
    differences = []
    for baseline in plan.baselines:
        # that of two baselines stands with the first of them
        before = plan.baselines[: plan.baselines.index(baseline)]
        others = [name for name in plan.variants if name not in (baseline, *before)]
        differences += _differences(rows, baseline, others, plan.metric, effect)
    return Findings(
        metric=plan.metric,
        effect=effect,
        planned=plan.seeds,
        rows=tuple(rows.values()),
        again=again,
        differences=tuple(differences),
        floor=_pair(again.scores, rows[first].scores),
        others=_others(rows, plan),
        cautions=tuple(_cautions(plan, rows, again)),
    )


def _row(name: str, records: dict[int, dict], metric: Metric, limit: float) -> Row:
    runs = {seed: record for seed, record in sorted(records.items()) if is_done(record)}
    scores = {seed: metric.points(run['scores']) for seed, run in runs.items()}
    sign = -1 if metric.falls else 1
    collapsed = tuple(
        seed
        for seed, score in scores.items()
        if not runs[seed]['finite'] or not sign * score >= sign * limit
    )
    failed = {
        seed: record['error'] for seed, record in sorted(records.items()) if not is_done(record)
    }
    return Row(name, runs, scores, failed, collapsed)


def _collapse_limit(metric: Metric, found: dict[str, dict[int, dict]]) -> float:
    scores = [
        metric.points(record['scores'])
        for records in found.values()
        for record in records.values()
        if is_done(record)
    ]
    median = statistics.median(scores) if scores else 0.0
    return median / COLLAPSED if metric.falls else median * COLLAPSED


def _pair(scores: dict[int, float], baseline: dict[int, float]) -> Paired | None:
    seeds = sorted(scores.keys() & baseline.keys())
    if len(seeds) < 2:
        return None
    return compare_pairs([scores[seed] for seed in seeds], [baseline[seed] for seed in seeds])


def _differences(
    rows: dict[str, Row], baseline: str, others: list[str], metric: Metric, effect: float
) -> list[Difference]:
    pairs = {name: _pair(rows[name].scores, rows[baseline].scores) for name in others}
    # what has no pairs yet is a comparison all the same
    adjusted = holm([paired.p if paired else 1.0 for paired in pairs.values()])
    return [
        _difference(rows, name, baseline, paired, p, len(others), metric, effect)
        for (name, paired), p in zip(pairs.items(), adjusted, strict=True)
        if paired
    ]


def _difference(
    rows: dict[str, Row],
    name: str,
    baseline: str,
    paired: Paired,
    p: float,
    comparisons: int,
    metric: Metric,
    effect: float,
) -> Difference:
    alpha = (1 - LEVEL) / comparisons
    family = interval(paired.mean, paired.deviation, paired.count, 1 - alpha)
    needed = pairs_needed(effect, paired.deviation, alpha)
    seconds = sum(rows[of].median_of('seconds') for of in (name, baseline))
    return Difference(
        variant=name,
        baseline=baseline,
        paired=paired,
        comparisons=comparisons,
        p=p,
        family=family,
        verdict=_verdict(paired, p, family, metric, effect),
        needed=needed,
        needed_range=tuple(
            pairs_needed(effect, deviation, alpha)
            for deviation in deviation_interval(paired.deviation, paired.count)
        ),
        visible=visible_effect(paired.deviation, paired.count, alpha),
        hours=max(0, needed - paired.count) * seconds / 3600,
    )


def _verdict(
    paired: Paired, p: float, family: tuple[float, float], metric: Metric, effect: float
) -> str:
    if paired.count < FEWEST:
        return 'too few'
    if p < 1 - LEVEL:
        return 'better' if (paired.mean > 0) != metric.falls else 'worse'
    if -effect < family[0] and family[1] < effect:
        return 'alike'
    return 'open'


def _others(rows: dict[str, Row], plan: Plan) -> dict[str, tuple[tuple[str, str, Paired], ...]]:
    known = [
        metric
        for metric in map(find_metric, max(_scores(rows), key=len, default={}))
        if metric.name != metric.key and metric.key != plan.metric.key
    ]
    found = {}
    for metric in known:
        scores = {
            name: {seed: metric.points(run['scores']) for seed, run in row.runs.items()}
            for name, row in rows.items()
        }
        lines = [
            (name, baseline, paired)
            for baseline in plan.baselines
            for name in plan.variants
            if name not in plan.baselines[: plan.baselines.index(baseline) + 1]
            and (paired := _pair(scores[name], scores[baseline]))
        ]
        if lines:
            found[metric.name] = tuple(lines)
    return found


def _scores(rows: dict[str, Row]):
    return (run['scores'] for row in rows.values() for run in row.runs.values())


def _cautions(plan: Plan, rows: dict[str, Row], again: Row):
    runs = [run for row in rows.values() for run in row.runs.values()]
    complete = set.intersection(*(set(row.scores) for row in rows.values()))
    if len(complete) < plan.seeds:
        yield (
            f'{len(complete)} of {plan.seeds} seeds are complete; the same command goes on with '
            'the others.'
        )
    planned = sorted({run['planned'] for run in runs})
    if len(planned) > 1:
        yield (
            f'The number of seeds was raised, from {planned[0]} to {planned[-1]}, when there were '
            'results to look at: p-values and intervals do not allow for that.'
        )
    named = {run['metric'] for run in runs} - {plan.metric.key}
    if named:
        yield (
            f'Runs were made under another primary metric, {", ".join(sorted(named))}: '
            f'{plan.metric.key} was chosen afterwards, and its p-values are no proof.'
        )
    for row in (*rows.values(), again):
        for seed in row.collapsed:
            yield (
                f'{row.name} with seed {seed} collapsed ({row.scores[seed]:.4g} '
                f'{plan.metric.name}); it is in all numbers.'
            )
        for seed, error in row.failed.items():
            yield f'{row.name} with seed {seed} failed ({error}); the same command tries again.'
