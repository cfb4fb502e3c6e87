"""Upsamplers side by side: python tools/benchmark.py (--help lists the flags)."""

import os
import shlex
import sys
from pathlib import Path

# must be said before torch is loaded: the profiler that counts memory complains without a GPU
os.environ.setdefault('KINETO_LOG_LEVEL', '5')
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rich.progress import Progress  # noqa: E402

from mmdyup.benchmark.cli import (  # noqa: E402
    cases_of,
    folder_of,
    make_parser,
    rounds_of,
    rows_of,
)
from mmdyup.benchmark.machine import describe_machine  # noqa: E402
from mmdyup.benchmark.output import write_sweeps, write_tables  # noqa: E402
from mmdyup.benchmark.sweep import points_of, run_sweep  # noqa: E402
from mmdyup.benchmark.table import build_rows, run_table  # noqa: E402


def run_tables(args, cases, folder, about):
    work = {case: build_rows(case, rows_of(args, case)) for case in cases}
    tables = []
    with Progress(transient=True) as progress:
        task = progress.add_task(
            '', total=sum(len(rows) + about['rounds'] for rows in work.values())
        )
        for case, subjects in work.items():

            def tell(doing, case=case):
                progress.update(task, advance=1, description=f'{case.title}: {doing}')

            tables.append(run_table(case, subjects, args.baseline, about['rounds'], tell))
    return write_tables(folder, tables, about)


def run_sweeps(args, cases, folder, about):
    base = cases[0]
    work = points_of(base)
    sweeps = []
    with Progress(transient=True) as progress:
        task = progress.add_task(
            '', total=sum(len(points) + about['rounds'] for points in work.values())
        )
        for (row, axis), points in work.items():

            def tell(doing, row=row, axis=axis):
                progress.update(task, advance=1, description=f'{row} over {axis}: {doing}')

            sweeps.append(run_sweep(row, axis, base, points, about['rounds'], tell))
    return write_sweeps(folder, sweeps, about)


def main(argv=None):
    args = make_parser().parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    try:
        cases = cases_of(args)
        folder = folder_of(args)
        about = dict(
            command=shlex.join(['python', 'tools/benchmark.py', *words]),
            machine=describe_machine(cases[0].device),
            rounds=rounds_of(args),
        )
        text = (run_sweeps if args.sweep else run_tables)(args, cases, folder, about)
    except ValueError as error:
        sys.exit(str(error))
    print(text)
    print(f'\nWritten to {folder}.')


if __name__ == '__main__':
    main()
