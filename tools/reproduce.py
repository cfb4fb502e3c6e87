"""Published tables beside what is computed: python tools/reproduce.py (--help lists the flags)."""

import os
import shlex
import sys
from pathlib import Path

# must be said before torch is loaded: threads that wait spinning crawl where cores are shared
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import mmdyup  # noqa: E402, F401, I001  (before all else: it mends the stack)

from rich.progress import Progress  # noqa: E402

from mmdyup.benchmark.cli import folder_of  # noqa: E402
from mmdyup.papers.cli import make_parser, tables_of, versions  # noqa: E402
from mmdyup.papers.output import write_results  # noqa: E402
from mmdyup.papers.reproduce import Reproduction  # noqa: E402
from mmdyup.recipes.cli import one_sentence  # noqa: E402


def main(argv=None):
    args = make_parser().parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    with one_sentence():
        chosen = tables_of(args)
        folder = folder_of(args)
    reproduction = Reproduction(ROOT / 'configs', args.work_dirs)
    tables = []
    with Progress(transient=True) as progress:
        task = progress.add_task('', total=sum(len(rows) for _, rows in chosen))

        def tell(doing):
            progress.update(task, advance=1, description=doing)

        for table, rows in chosen:
            tables.append((table, reproduction.run(table, rows, tell)))
    command = shlex.join(['python', 'tools/reproduce.py', *words])
    print(write_results(folder, tables, command, versions()))
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
