"""The archives that mmdyup is handed on in, built as pip builds them.

The wheel is made of the source archive and installed into an environment of another Python than the
one it was built with. PyTorch would have to be downloaded for that one, so what is checked there is
what can go wrong between Pythons: that pip takes the wheel for it, that the modules compile, and
that the library loads and answers. What mmdyup computes with the library is for the other tests.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import mmdyup
from install_checks import SetupError, choose_python

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))
OTHERS = [version for version in PYTHONS if version != sys.version_info[:2]]
# Run by the other Python: where the package lies, and what each library in it answers.
ANSWERS = """
import ctypes, importlib.util, pathlib
package = pathlib.Path(importlib.util.find_spec('mmdyup').origin).parent
for path in sorted(package.rglob('*.so')):
    print(path.relative_to(package), ctypes.CDLL(str(path)).mmdyup_interface())
"""


def run(*command, **settings):
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(source, folder, **variables):
    """The wheel of an unpacked source archive; with what stands in this environment alone."""
    command = (sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation')
    environ = {**os.environ, 'PIP_NO_INDEX': '1', **variables}
    run(*command, '--wheel-dir', folder, source, env=environ, cwd=folder.parent)
    (wheel,) = folder.iterdir()
    return wheel


def names(wheel):
    with zipfile.ZipFile(wheel) as file:
        return file.namelist()


def libraries(wheel):
    return {Path(name).name for name in names(wheel) if name.endswith('.so')}


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """The source archive, unpacked."""
    folder = tmp_path_factory.mktemp('sdist')
    code = 'import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])'
    run(sys.executable, '-c', code, folder, cwd=ROOT)
    (archive,) = folder.iterdir()
    shutil.unpack_archive(archive, folder)
    return folder / archive.name.removesuffix('.tar.gz')


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp('build')
    # what is compiled is looked at and loaded, and need not be fast
    compiler = folder / 'compiler'
    compiler.write_text('#!/bin/sh\nexec c++ "$@" -O0\n')
    compiler.chmod(0o755)
    return build_wheel(source, folder / 'wheel', CC=str(compiler), CXX=str(compiler))


def test_source_archive_holds_the_repository(source):
    files = {str(path.relative_to(source)) for path in source.rglob('*') if path.is_file()}
    for part in ('Makefile', 'LICENSE', 'requirements/build.txt', 'tools/install.py'):
        assert part in files
    assert 'tests/test_wheel.py' in files and 'configs/faster_rcnn_dysample.py' in files
    suffixes = {Path(name).suffix for name in files}
    assert {'.cpp', '.h'} <= suffixes and suffixes.isdisjoint({'.so', '.pyc'})


def test_wheel_is_for_every_python_of_this_platform(wheel):
    version = re.escape(mmdyup.__version__)
    assert re.fullmatch(rf'mmdyup-{version}-py3-none-(?!any)\w+\.whl', wheel.name)


def test_wheel_holds_the_library_and_nothing_else(wheel):
    folders = {name.split('/')[0] for name in names(wheel)}
    assert folders == {'mmdyup', f'mmdyup-{mmdyup.__version__}.dist-info'}
    assert 'mmdyup/py.typed' in names(wheel)
    built = {path.name for path in ROOT.glob('mmdyup/**/libmmdyup*.so')}
    assert built == libraries(wheel)
    modules = {str(path.relative_to(ROOT)) for path in ROOT.glob('mmdyup/**/*.py')}
    assert modules == {name for name in names(wheel) if name.endswith('.py')}


def test_wheel_asks_for_pytorch_and_numpy_alone(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith('/METADATA'))
        metadata = file.read(name).decode()
    asked = re.findall(r'^Requires-Dist: ([^;\n]+)$', metadata, re.MULTILINE)
    assert sorted(asked) == ['numpy', 'torch>=2.1']
    assert set(re.findall(r'^Provides-Extra: (.+)$', metadata, re.MULTILINE)) == {'lint', 'tests'}


def test_without_a_compiler_the_wheel_is_for_every_platform(source, wheel, tmp_path):
    """Built after ``wheel`` in the same folder: nothing of that build may remain in this one."""
    stale = next(source.glob('build/lib*/mmdyup')) / 'gone.py'
    stale.touch()
    other = build_wheel(source, tmp_path / 'wheel', CC='false', CXX='false')
    assert other.name == f'mmdyup-{mmdyup.__version__}-py3-none-any.whl'
    assert libraries(other) == set()
    assert 'mmdyup/gone.py' not in names(other)


@pytest.mark.parametrize('version', OTHERS, ids='{0[0]}.{0[1]}'.format)
def test_another_python_takes_the_wheel_and_loads_its_library(wheel, tmp_path, version):
    try:
        python = choose_python((version,))
    except SetupError:
        pytest.skip('no Python {}.{} is here'.format(*version))
    run(python, '-m', 'venv', '--without-pip', tmp_path)
    python = tmp_path / 'bin' / 'python'
    # this pip, run by that Python, which decides what wheels it takes
    pip = (sys.executable, '-m', 'pip', '--python', python)
    run(*pip, 'install', '--no-deps', '--no-index', '--ignore-installed', wheel)
    (package,) = tmp_path.glob('lib/python*/site-packages/mmdyup')
    run(python, '-m', 'compileall', '-q', '-f', package)
    answers = dict(line.split() for line in run(python, '-I', '-c', ANSWERS).splitlines())
    assert {Path(name).name for name in answers} == libraries(wheel)
    assert len(set(answers.values())) == 1
