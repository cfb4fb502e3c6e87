"""Published tables beside what is computed: python tools/reproduce.py (--help lists the flags)."""

from preamble import ROOT, command_line, make_folder, one_sentence  # isort: skip  (before all else)

import sys

from rich.progress import Progress

from papers.cli import make_parser, tables_of, versions
from papers.report import write_results
from papers.reproduce import Reproduction


def main(argv=None):
    args = make_parser().parse_args(argv)
    with one_sentence():
        chosen = tables_of(args)
        folder = make_folder(args.out)
    reproduction = Reproduction(ROOT / 'configs', args.work_dirs)
    tables = []
    with Progress(transient=True) as progress:
        task = progress.add_task('', total=sum(len(rows) for _, rows in chosen))

        def tell(doing):
            progress.update(task, advance=1, description=doing)

        for table, rows in chosen:
            tables.append((table, reproduction.run(table, rows, tell)))
    print(write_results(folder, tables, command_line('reproduce.py', argv), versions()))
    print(f'\nWritten to {folder}.')
    verdicts = [
        verdict
        for _, results in tables
        for result in results
        for verdict in result.verdicts.values()
    ]
    sys.exit(1 if any(verdict.status == 'disagrees' for verdict in verdicts) else 0)


if __name__ == '__main__':
    main()
