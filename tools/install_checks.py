"""What install.py asks of the machine: Python, compiler, disk, memory, GPU and CUDA toolkit.

Each `check_*` raises SetupError with one sentence for the user.
"""

import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

GB = 1e9


class SetupError(Exception):
    """What stands in the way of the set-up, in one sentence for the user."""


def ask(python, code, *args):
    """Output of `code` run by another Python, apart from this one's settings; None if it fails."""
    try:
        result = subprocess.run(
            [str(python), '-I', '-c', code, *args], capture_output=True, text=True
        )
    except OSError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def python_version(python):
    """(major, minor) of a Python, or None if it doesn't run."""
    answer = ask(python, 'import sys; print(*sys.version_info[:2])')
    return tuple(int(number) for number in answer.split()) if answer else None


def name_versions(pythons):
    """Such as 'Python 3.10, 3.11 or 3.12'."""
    *others, last = ['{}.{}'.format(*version) for version in sorted(pythons)]
    return f'Python {", ".join(others)} or {last}' if others else f'Python {last}'


def choose_python(pythons):
    """One of these Pythons: the one running this, else the first found on PATH or of pyenv."""
    if sys.version_info[:2] in pythons:
        return sys.executable
    pyenv = Path(os.environ.get('PYENV_ROOT') or Path.home() / '.pyenv')
    for version in pythons:
        name = '{}.{}'.format(*version)
        # pyenv's python3.x on PATH fails unless its user chose that version
        found = [shutil.which(f'python{name}'), *pyenv.glob(f'versions/{name}.*/bin/python')]
        for path in filter(None, found):
            if python_version(path) == version:
                return str(path)
    raise SetupError(
        'this stack needs {}, but {} is {}.{} and no other is on PATH: install one, then name it '
        'as in `make PYTHON=/path/to/python{}.{} setup`'.format(
            name_versions(pythons), sys.executable, *sys.version_info[:2], *pythons[0]
        )
    )


def check_python():
    """Raise unless this Python can make virtual environments."""
    try:
        import ensurepip
        import venv  # noqa: F401

        ensurepip.version()
    except ImportError:
        raise SetupError(
            '{} cannot make virtual environments: install its venv package (Debian, Ubuntu: '
            'apt install python{}.{}-venv) and run again'.format(
                sys.executable, *sys.version_info[:2]
            )
        ) from None


def check_compiler(standard):
    """Raise unless a C++ compiler works, knows the standard and finds Python's headers."""
    command = shlex.split(os.environ.get('CXX') or 'c++')
    remedy = 'install one (Debian, Ubuntu: apt install g++; macOS: xcode-select --install)'
    if not shutil.which(command[0]):
        raise SetupError(f'no C++ compiler: there is no {command[0]} on PATH; {remedy}')
    if not compiles(command, '#include <vector>', 'c++17'):
        raise SetupError(f'the C++ compiler {command[0]} does not work; {remedy}')
    if not compiles(command, '#include <vector>', standard):
        raise SetupError(
            f'the C++ compiler {command[0]} does not know {standard}, which the headers of this '
            "stack's PyTorch ask for: install a newer one and name it in CXX"
        )
    if not compiles(command, '#include <Python.h>', standard):
        raise SetupError(
            'the headers of {} (Python.h) are missing: install them (Debian, Ubuntu: apt install '
            'python{}.{}-dev) and run again'.format(sys.executable, *sys.version_info[:2])
        )


def compiles(command, source, standard):
    """Whether the compiler accepts this C++ source, with Python's headers in reach."""
    folders = {sysconfig.get_path('include'), sysconfig.get_path('platinclude')}
    result = subprocess.run(
        [*command, f'-std={standard}', *(f'-I{folder}' for folder in folders)]
        + ['-fsyntax-only', '-x', 'c++', '-'],
        input=source + '\nint main() { return 0; }\n',
        capture_output=True,
        text=True,
    )
    return result.returncode == 0


def check_disk(folder, environment, downloads):
    """Raise unless the disk has room, in GB, for what is still to be installed and downloaded.

    pip keeps a download twice while it installs: in its temporary folder, which lies in the
    environment's, and in its cache, which lies in the user's home.
    """
    need = environment + downloads
    if os.stat(nearest(Path.home())).st_dev == os.stat(nearest(folder)).st_dev:
        need += downloads
    free = shutil.disk_usage(nearest(folder)).free / GB
    if free < need:
        raise SetupError(
            f'the disk that holds {folder} has {free:.1f} GB free, and the set-up needs '
            f'{need:.1f}: make room, or choose another place with tools/install.py --venv'
        )


def nearest(path):
    """The path, or its nearest parent that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def compile_jobs():
    """How many files to compile at once: one a core, but 2 GB of memory for each."""
    affinity = getattr(os, 'sched_getaffinity', None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return max(1, min(cores, int(memory / (2 * GB))))


def wants_cuda():
    """Whether mmcv is to be compiled for CUDA: a GPU is here, or FORCE_CUDA=1 says so."""
    return os.environ.get('FORCE_CUDA') == '1' or gpu_present()


def gpu_present():
    """Whether an NVIDIA driver shows this process a GPU."""
    try:
        driver = ctypes.CDLL('libcuda.so.1')
    except OSError:
        return False
    count = ctypes.c_int()
    return (
        driver.cuInit(0) == 0
        and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        and count.value > 0
    )


def find_toolkit(cuda):
    """Folder of a CUDA toolkit with the major version of `cuda`, say '13.0'; None without one."""
    nvcc = shutil.which('nvcc')
    homes = (
        os.environ.get('CUDA_HOME'),
        os.environ.get('CUDA_PATH'),
        nvcc and Path(nvcc).resolve().parent.parent,
        '/usr/local/cuda',
    )
    return next((Path(home) for home in homes if home and is_toolkit(Path(home), cuda)), None)


def is_toolkit(home, cuda):
    """Whether a folder holds the CUDA runtime's headers and an nvcc of this major version."""
    if not (home / 'include' / 'cuda_runtime.h').exists():
        return False
    try:
        answer = subprocess.run(
            [str(home / 'bin' / 'nvcc'), '--version'], capture_output=True, text=True
        ).stdout
    except OSError:
        return False
    release = re.search(r'release (\d+)\.', answer)
    return release is not None and release.group(1) == cuda.split('.')[0]
