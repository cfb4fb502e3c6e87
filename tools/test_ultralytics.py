"""Run the tests of mmdyup in Ultralytics with several versions of it.

    python tools/test_ultralytics.py [VERSION ...] [--folder DIR] [-- PYTEST ARGUMENTS]

Each version gets an environment of its own in DIR, ``.venv-ultralytics`` by default, that takes
PyTorch and the other packages from the Python that runs this script, and has no OpenMMLab. An
environment that is there already is used again. It ends with a table, a line a version.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The versions that docs/yolo.md names, and what each needs besides: the newest pickles what its
# distributed workers are sent by cloudpickle.
VERSIONS = {'8.2.103': (), '8.3.0': (), '8.3.253': (), '8.4.190': ('cloudpickle',)}
# What an environment does not share: the tests must pass without OpenMMLab's packages.
OWN = ('mm', 'onedl', 'ultralytics', '__editable__', '__pycache__')
# Checkpoints of Ultralytics up to 8.3 hold whole modules, which PyTorch 2.6 reads when told to.
SETTINGS = dict(
    TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD='1', PYTHONPATH=str(ROOT), OMP_WAIT_POLICY='PASSIVE'
)


def environment(folder: Path, version: str) -> Path:
    """Makes the environment of a version, unless it is there, and returns its Python."""
    place = folder / version
    python, done = place / 'bin' / 'python', place / 'made'
    pins = '\n'.join((f'ultralytics=={version}', *VERSIONS.get(version, ()), sys.prefix))
    if done.is_file() and done.read_text(encoding='utf-8') == pins:
        return python
    print(f'Making the environment of Ultralytics {version} in {place}', flush=True)
    venv.create(place, clear=True)
    answer = subprocess.run(
        [python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'],
        capture_output=True,
        text=True,
        check=True,
    )
    share(Path(answer.stdout.strip()), place / 'shared')
    command = [sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet']
    subprocess.run([*command, *pins.splitlines()[:-1]], check=True)
    done.write_text(pins, encoding='utf-8')
    return python


def share(packages: Path, shared: Path) -> None:
    """Lets an environment see this one's packages, after its own, but for those in ``OWN``."""
    shared.mkdir()
    for entry in Path(sysconfig.get_path('purelib')).iterdir():
        if not entry.name.startswith(OWN):
            (shared / entry.name).symlink_to(entry)
    (packages / 'shared.pth').write_text(f'{shared}\n', encoding='utf-8')


def run_tests(python: Path, arguments: list[str]) -> str:
    """Runs the tests by an environment's Python; the last line that pytest prints."""
    # conftest.py of the folder above needs OpenMMLab's packages
    tests = ROOT / 'tests' / 'ultralytics'
    command = [python, '-m', 'pytest', tests, f'--confcutdir={tests}', *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | SETTINGS, stdout=subprocess.PIPE, text=True
    ) as process:
        last = ''
        for line in process.stdout:
            print(line, end='', flush=True)
            last = line.strip(' =\n') or last
    return last if process.returncode == 0 else f'FAILED: {last}'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('versions', nargs='*', metavar='VERSION', help=', '.join(VERSIONS))
    parser.add_argument('--folder', type=Path, default=ROOT / '.venv-ultralytics')
    own = sys.argv[1:]
    own, rest = (own[: own.index('--')], own[own.index('--') + 1 :]) if '--' in own else (own, [])
    args = parser.parse_args(own)
    results = {
        version: run_tests(environment(args.folder.resolve(), version), rest)
        for version in args.versions or VERSIONS
    }
    for version, result in results.items():
        print(f'Ultralytics {version:8}  {result}')
    return any(result.startswith('FAILED') for result in results.values())


if __name__ == '__main__':
    sys.exit(main())
