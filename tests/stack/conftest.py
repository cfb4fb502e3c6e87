import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_python(tmp_path):
    """A function that runs code in a new Python, where packages lack or raise, and reads the JSON
    that it prints last."""

    def run(code, missing=(), broken=None):
        for package, error in (broken or {}).items():
            (tmp_path / package).mkdir(parents=True)
            (tmp_path / package / '__init__.py').write_text(error)
        blocked = f'import sys\nfor name in {tuple(missing)!r}:\n    sys.modules[name] = None\n'
        done = subprocess.run(
            [sys.executable, '-c', blocked + code],
            env=os.environ | dict(PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)])),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
