"""Does an upsampler help? python tools/compare.py CONFIG... (--help lists the flags)."""

from preamble import command_line, make_folder, one_sentence  # isort: skip  (before all else)


import sys

from comparing import records
from comparing.cli import devices_of, make_parser, plan_of
from comparing.findings import find
from comparing.progress import Progress
from comparing.report import facts_of, write
from comparing.workers import do_all


def main(argv=None):
    args = make_parser().parse_args(argv)
    with one_sentence():
        plan = plan_of(args, make_folder)
        devices = devices_of(args)
    done = records.read(plan.folder)
    runs = [run for run in plan.runs if not records.is_done(done.get(run.key))]
    if not args.report:
        do_all(plan, runs, devices, Progress(plan, runs).tell)
    found = records.read(plan.folder)
    with one_sentence():
        findings = find(plan, found, args.effect)
    print(write(plan, findings, facts_of(plan, found, command_line('compare.py', argv))))
    print(f'\nWritten to {plan.folder}: compare.html, compare.md, compare.json.')
    if any(row.failed for row in (*findings.rows, findings.again)):
        sys.exit('Some runs failed; the output.txt in their folders says why.')


if __name__ == '__main__':
    main()
