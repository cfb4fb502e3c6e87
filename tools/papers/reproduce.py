"""The rows of a table, computed and looked up."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmengine.registry import MODELS

from mmdyup.stack import is_installed

from .count import Count, build_whole, count
from .published import Row, Table
from .scores import Run, find_run
from .verdict import Verdict, is_relative, judge


@dataclass(frozen=True)
class Result:
    """One row.

    Args:
        row: As published.
        left_out: Why nothing was computed.
        count: What was computed.
        baseline: The same for the row that it is compared with.
        verdicts: On 'params' and 'flops' where they were published.
        run: The user's own.
        measured: Its scores; the gain over the baseline's run where a gain was published.
    """

    row: Row
    left_out: str | None
    count: Count | None
    baseline: Count | None
    verdicts: dict[str, Verdict]
    run: Run
    measured: dict[str, float]


class Reproduction:
    """Computes the rows of tables, each model once.

    Args:
        configs: The folder of the config files.
        work_dirs: The folder in which the user's runs lie, each under its config's name.
    """

    def __init__(self, configs: Path, work_dirs: Path) -> None:
        self.configs = configs
        self.work_dirs = work_dirs
        self._counts: dict[tuple[str, tuple[int, int]], Count] = {}

    def run(self, table: Table, rows: list[Row], tell: Callable[[str], object]) -> list[Result]:
        """The results of ``rows`` of ``table``; ``tell`` is called with each row's name."""
        results = []
        for row in rows:
            tell(row.name)
            results.append(self._result(table, row))
        return results

    def _result(self, table: Table, row: Row) -> Result:
        left_out = self._why_not(table, row)
        if left_out:
            return Result(row, left_out, None, None, {}, Run(), {})
        own, other = self._count(table, row), None
        base = table.row(row.baseline) if row.baseline else None
        if base and not self._why_not(table, base):
            other = self._count(table, base)
        verdicts = _verdicts(row, own, other) if other or not base else {}
        run = self._run(table, row)
        return Result(row, None, own, other, verdicts, run, self._measured(table, row, run, base))

    def _measured(self, table: Table, row: Row, run: Run, base: Row | None) -> dict[str, float]:
        measured = dict(run.scores)
        gains = [name for name in measured if is_relative(row.scores.get(name, ''))]
        reference = self._run(table, base).scores if gains else {}
        for name in gains:
            score = measured.pop(name)
            if name in reference:
                measured[name] = score - reference[name]
        return measured

    def _run(self, table: Table, row: Row) -> Run:
        return find_run(self.work_dirs / row.name, self._config(row), table.metrics, table.best)

    def _why_not(self, table: Table, row: Row) -> str | None:
        if row.operator:
            return None
        if not row.config:
            return 'published alone: there is no config for it'
        if not self._config(row).is_file():
            return f'the config {self._config(row).name} is missing'
        if not is_installed(table.framework):
            return f'{table.framework} is not installed'
        return None

    def _config(self, row: Row) -> Path:
        return self.configs / f'{row.name}.py'

    def _count(self, table: Table, row: Row) -> Count:
        key = row.name, table.picture
        if key not in self._counts:
            self._counts[key] = self._counted(table, row)
        return self._counts[key]

    def _counted(self, table: Table, row: Row) -> Count:
        height, width = table.picture
        if not row.operator:
            return count(build_whole(self._config(row), table.framework), (1, 3, height, width))
        shape = 1, row.operator['in_channels'], height, width
        return count(MODELS.build(row.operator).eval(), shape, scale=2 / (height * width))


def _verdicts(row: Row, own: Count, base: Count | None) -> dict[str, Verdict]:
    verdicts = {}
    for name, entry, by in (
        ('params', row.params, Count.by_parameters),
        ('flops', row.flops, Count.by_flops),
    ):
        if entry:
            verdicts[name] = judge(entry, by(own), by(base) if base else None, row.notes.get(name))
    return verdicts
