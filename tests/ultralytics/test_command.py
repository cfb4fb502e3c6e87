"""``python -m mmdyup.ultralytics``, and rows of ours in programs that import nothing of it."""

import runpy
import sys
import sysconfig

import pytest

pytest.importorskip('ultralytics', reason='Ultralytics is not installed')

from ultralytics import YOLO  # noqa: E402

from mmdyup.ultralytics import disable, enable  # noqa: E402


@pytest.fixture
def command(monkeypatch, capsys):
    """A function that runs the command and returns its status and what it prints."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', ['mmdyup.ultralytics', *args])
        with pytest.raises(SystemExit) as end:
            runpy.run_module('mmdyup.ultralytics', run_name='__main__')
        out, err = capsys.readouterr()
        return end.value.code, out + err

    return run


@pytest.fixture
def packages(monkeypatch, tmp_path):
    """A folder in the place of the one of installed packages."""
    folder = tmp_path / 'packages'
    folder.mkdir()
    monkeypatch.setattr(sysconfig, 'get_path', lambda name: str(folder))
    return folder


def test_it_writes_a_model(command, stock):
    code, out = command(f'{stock}.yaml', 'DySample', 'dyscope=True', 'groups=8')
    file = f'{stock}-dysample-dyscope-groups8.yaml'
    assert code == 0 and out.splitlines()[-1] == f'Wrote {file}: yolo train model={file} data=...'
    layers = [m for m in YOLO(file).model.model if type(m).__name__ == 'DySample']
    assert all(layer.scope is not None and layer.groups == 8 for layer in layers)


@pytest.mark.parametrize(
    'args, told',
    [
        (['yolov8n.yaml'], 'name an upsampler, such as DySample'),
        (['yolov8n.yaml', 'DySample', 'dyscope'], 'arguments are written as dyscope=True'),
        (['yolov8n.yaml', 'Dysampel'], "error: There is no upsampler 'Dysampel'; name one of"),
        (['yolov8n-cls.yaml', 'DySample'], 'error: This model has no nn.Upsample'),
    ],
)
def test_what_it_says_of_mistakes(args, told, command):
    code, out = command(*args)
    assert code in (1, 2) and told in out and 'Traceback' not in out


ROWS = """
import site, sysconfig
site.addsitedir(sys.argv[1])
assert 'torch' not in sys.modules and 'mmdyup' not in sys.modules
from ultralytics.nn import tasks
yaml = dict(nc=2, backbone=[[-1, 1, "Conv", [32, 3, 2]]], head=[[-1, 1, "DySample", [2]]])
print(type(tasks.parse_model(yaml, 3, False)[0][1]).__name__)
"""


@pytest.mark.slow
def test_enabled_for_programs_that_say_nothing_of_it(command, packages, run_python):
    code, out = command('enable')
    assert code == 0 and str(packages) in out
    assert run_python(ROWS, packages).splitlines()[-1] == 'DySample'
    assert command('disable')[0] == 0
    assert list(packages.iterdir()) == []


def test_enable_and_disable_twice(packages):
    disable()
    assert enable() == enable() == packages
    assert {f.suffix for f in packages.iterdir()} == {'.pth', '.py'}
    disable()
    disable()
    assert list(packages.iterdir()) == []
