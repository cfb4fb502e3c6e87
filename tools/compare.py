"""Does an upsampler help? python tools/compare.py CONFIG... (--help lists the flags)."""

from preamble import command_line, make_folder, one_sentence  # isort: skip  (before all else)

import sys

from comparing import records
from comparing.cli import devices_of, make_parser, plan_of
from comparing.progress import Progress
from comparing.workers import do_all


def main(argv=None):
    args = make_parser().parse_args(argv)
    with one_sentence():
        plan = plan_of(args, make_folder)
        devices = devices_of(args)
    done = records.read(plan.folder)
    runs = [run for run in plan.runs if not records.is_done(done.get(run.key))]
    if not args.report:
        progress = Progress(plan, runs)
        do_all(plan, runs, devices, progress.tell)


if __name__ == '__main__':
    main()
