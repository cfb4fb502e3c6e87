"""One table: all rows on one case."""

from dataclasses import dataclass

import torch

from .case import Case
from .measure import Measured, Tell, measure
from .rows import COMPILED, build
from .subject import Subject


@dataclass
class Row:
    name: str
    parameters: int
    flops: int
    measured: Measured


@dataclass
class Table:
    """What was measured on one case; ``left_out`` says why the other rows could not run."""

    case: Case
    baseline: str
    result_bytes: int
    rows: list[Row]
    left_out: dict[str, str]


def build_rows(case: Case, names: list[str]) -> dict[str, Subject]:
    """The subjects called ``names``, see :func:`.rows.build`."""
    return {name: build(name, case) for name in names}


def run_table(
    case: Case, subjects: dict[str, Subject], baseline: str, rounds: int, tell: Tell
) -> Table:
    """Measures ``subjects`` on ``case``, see :func:`.measure.measure`."""
    if any(name.endswith(COMPILED) for name in subjects):
        torch.compiler.reset()
    measured, left_out = measure(
        {name: (case, subject) for name, subject in subjects.items()}, baseline, rounds, tell
    )
    rows = [
        Row(name, subjects[name].parameter_count, subjects[name].flops, found)
        for name, found in measured.items()
    ]
    return Table(case, baseline, case.high(case.channels).nbytes, rows, left_out)
