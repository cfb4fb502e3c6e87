"""What is told while runs are done: each as it ends, and the time that is left."""

import time

from .plan import Plan, Run


class Progress:
    """Prints a line when a run ends.

    Args:
        plan: What the runs are of.
        runs: Those that are still to be done.
    """

    def __init__(self, plan: Plan, runs: list[Run]) -> None:
        self.plan = plan
        self.waiting = len(runs)
        self.trained = 0
        self.begin = time.perf_counter()
        print(
            f'{len(plan.runs)} runs of {", ".join(plan.variants)}; '
            f'{len(plan.runs) - len(runs)} are done. They lie in {plan.folder}.',
            flush=True,
        )

    def tell(self, run: Run, record: dict | None) -> None:
        """Of ``run``, which ended with ``record``, or is another process's."""
        self.waiting -= 1
        number = len(self.plan.runs) - self.waiting
        print(
            f'{number} of {len(self.plan.runs)}: {run.variant}, seed {run.seed}: '
            f'{self._ended(record)}{self._left()}',
            flush=True,
        )

    def _ended(self, record: dict | None) -> str:
        if record is None:
            return 'another process does it.'
        self.trained += 1
        if record['status'] == 'failed':
            return f'failed ({record["error"]}).'
        score = self.plan.metric.points(record['scores'])
        return f'{self.plan.metric.name} {score:.4g} in {record["seconds"]:.0f} s.'

    def _left(self) -> str:
        if not self.waiting or not self.trained:
            return ''
        seconds = (time.perf_counter() - self.begin) / self.trained * self.waiting
        return f' About {duration(seconds)} left.'


def duration(seconds: float) -> str:
    """A time in the unit that one would say it in."""
    if seconds < 100:
        return f'{seconds:.0f} seconds'
    if seconds < 100 * 60:
        return f'{seconds / 60:.0f} minutes'
    return f'{seconds / 3600:.3g} hours'
