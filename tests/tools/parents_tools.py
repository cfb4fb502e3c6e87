"""Runs scripts of mmdet and mmseg one by one, each in a child of a process that has imported both,
and not mmdyup: python parents_tools.py JOBS.json writes what became of each beside it."""

import contextlib
import importlib.util
import json
import os
import runpy
import sys
import traceback
from pathlib import Path

import mmdet.apis
import mmdet.evaluation  # noqa: F401  (that of panoptic segmentation, with what it lacks)
import mmseg.apis  # noqa: F401
import torch


def run(job, log):
    """In the child: the script, or the line of code, of one job."""
    sys.argv = [job['name'], *job['words']]
    with open(log, 'w') as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        try:
            if 'code' in job:
                exec(job['code'], {})
            else:
                package = Path(importlib.util.find_spec(job['package']).origin).parent
                runpy.run_path(str(package / '.mim' / 'tools' / job['name']), run_name='__main__')
        except SystemExit as stop:
            return stop.code or 0
        except BaseException:
            traceback.print_exc()
            return 1
    return 0


if __name__ == '__main__':
    assert 'mmdyup' not in sys.modules
    torch.set_num_threads(1)
    path = Path(sys.argv[1])
    results = []
    for number, job in enumerate(json.loads(path.read_text())):
        log = path.with_name(f'job_{number}.log')
        child = os.fork()
        if child == 0:
            code = run(job, log)
            os._exit(code if isinstance(code, int) else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        results.append(dict(status=status, log=log.read_text()))
    path.with_name('results.json').write_text(json.dumps(results))
