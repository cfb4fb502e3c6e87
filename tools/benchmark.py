"""Upsamplers side by side: python tools/benchmark.py (--help lists the flags)."""

from preamble import command_line, make_folder  # isort: skip  (before all else)

import sys

from rich.progress import Progress

from benchmarks.cli import cases_of, make_parser, rounds_of, rows_of
from benchmarks.report import describe_machine, write_sweeps, write_tables
from benchmarks.tables import build_rows, points_of, run_sweep, run_table


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
    try:
        cases = cases_of(args)
        folder = make_folder(args.out)
        about = dict(
            command=command_line('benchmark.py', argv),
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
