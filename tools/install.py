"""Make the virtual environment in which mmdyup runs, and check that it does.

    python3 tools/install.py [--stack openmmlab|oldest|newest|onedl] [--venv DIR]

Needs nothing but a C++ compiler and a Python that the stack supports (this one, or one on PATH or
of pyenv), on Linux or macOS. Run again, it is done at once; after an interruption it goes on where
it stopped. It heeds CXX, CFLAGS, CXXFLAGS, MAX_JOBS, CUDA_HOME, TORCH_CUDA_ARCH_LIST, FORCE_CUDA=1
(compile mmcv for CUDA though no GPU is here) and pip's own settings. What differs between stacks
stands in STACKS alone; docs/stacks.md says what each is for.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from install_checks import (
    SetupError,
    ask,
    check_compiler,
    check_disk,
    check_python,
    choose_python,
    compile_jobs,
    find_toolkit,
    is_toolkit,
    name_versions,
    python_version,
    wants_cuda,
)

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / 'mmdyup' / 'ops' / 'csrc'


@dataclass(frozen=True)
class Stack:
    """A set of versions that work together.

    Args:
        pythons: its Pythons, the one to be preferred first.
        torch: the file in requirements/ that pins PyTorch and torchvision.
        openmmlab: the one that pins OpenMMLab's packages.
        mmcv: the name that mmcv goes by in it.
        standard: the C++ standard that PyTorch's headers ask for.
    """

    pythons: tuple
    torch: str
    openmmlab: str = 'mminstall.txt'
    mmcv: str = 'mmcv'
    standard: str = 'c++17'


STACKS = {
    'openmmlab': Stack(((3, 12), (3, 11), (3, 10)), 'torch_2.13.txt'),
    'oldest': Stack(((3, 10), (3, 11)), 'torch_2.1.txt'),
    'newest': Stack(((3, 12),), 'torch_2.14.txt', standard='c++20'),
    'onedl': Stack(
        ((3, 12), (3, 11), (3, 10), (3, 13)), 'torch_2.13.txt', 'mminstall_onedl.txt', 'onedl-mmcv'
    ),
}
# A compiler for mmcv. It takes the C++ standard from here, since mmcv's setup names C++17 after all
# other flags. And it reads PyTorch's header once, into one that GCC keeps precompiled in TMPDIR:
# to read it anew is three quarters of the work for each of mmcv's files. Jobs that start together
# each make theirs, and the last stays; where none can be made, files compile as they always do.
COMPILER = """#!/bin/sh
header=$TMPDIR/torch_types.h

precompile() {{
    for flag do
        shift
        case $flag in
            *.cpp) flag=$header ;;
            *.o) flag=$header.$$ ;;
        esac
        set -- "$@" "$flag"
    done
    {compiler} --version | grep -q 'Free Software Foundation' || return
    echo '#include <torch/types.h>' >"$header.$$" && mv "$header.$$" "$header" &&
        {compiler} -x c++-header "$@" && mv "$header.$$" "$header.gch"
}}

source=
for flag do
    shift
    case $flag in
        -std=c++17) flag=-std={standard} ;;
        *.cpp) source=$flag ;;
    esac
    set -- "$@" "$flag"
done
test -z "$source" || test -e "$header.gch" || precompile "$@" >/dev/null 2>&1
test -z "$source" || test ! -e "$header.gch" || set -- -include "$header" "$@"
exec {compiler} "$@"
"""
# What an environment consists of, besides its pyvenv.cfg, when it was filled here.
PARTS = {'bin', 'etc', 'include', 'lib', 'lib64', 'share', 'tmp', 'cuda-links'}
PARTS |= {'mmdyup-setup.log', 'mmdyup-setup.json'}
# Files in requirements/ that every stack installs in the end.
OTHERS = ('runtime.txt', 'ultralytics.txt', 'tests.txt', 'lint.txt')
# GB, as measured and a little over: PyTorch installed, its downloads, everything else with builds.
TORCH_GB, DOWNLOADS_GB, REST_GB = 5.0, 2.0, 1.5

# Why a run of pip failed, told by its output; the first that matches is what the user reads.
CAUSES = (
    ('No space left on device|Disk quota exceeded', 'the disk is full: make room and run again'),
    (
        'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Max retries',
        'the package registry cannot be reached: check the network and run again',
    ),
    (
        'Killed signal|signal terminated program|MemoryError',
        'the memory ran out: close other programs, or set MAX_JOBS=1, and run again',
    ),
    (
        'No matching distribution found',
        'no version of a package fits this Python and this machine',
    ),
)

# Tells after each import how it went, so that one that crashes Python can be named too.
IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        print(name, type(error).__name__ + ':', ' '.join(str(error).split()), flush=True)
    else:
        print(name, 'ok', flush=True)
        if name == 'mmcv.ops':
            print('cuda', module.get_compiling_cuda_version(), flush=True)
"""
MODULES = ('cv2', 'torch', 'torchvision', 'mmcv.ops', 'mmdet', 'mmseg', 'mmdyup')
MODULES += (f'mmdyup.ops.{CSRC.name}.library',)  # fails where mmdyup's C++ code was not built

# How the import of a torchvision ends that was built for another build of PyTorch.
MISFIT = 'operator torchvision::nms does not exist'

# Cheap enough for every run: versions by their metadata, modules by their files.
LOOK = """
import importlib.metadata as metadata, importlib.util as util, json, pathlib, sys
def version(name):
    try:
        return metadata.version(name).split('+')[0]
    except metadata.PackageNotFoundError:
        return None
mmdyup, mmcv = util.find_spec('mmdyup'), util.find_spec('mmcv')
print(json.dumps({
    'versions': {name: version(name) for name in sys.argv[1:]},
    'mmdyup': mmdyup and mmdyup.origin,
    'ops': bool(mmcv and mmcv.origin and list(pathlib.Path(mmcv.origin).parent.glob('_ext*'))),
}))
"""


def say(text):
    print(text, flush=True)


def requirements(name):
    """The lines of a file in requirements/, without comments."""
    lines = (ROOT / 'requirements' / name).read_text(encoding='utf-8').splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def settings(**variables):
    """The variables for pip and the compiler: the user's, less what would lead them astray."""
    result = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'PYTHONHOME')}
    # -g0 takes a third off mmcv's compile time; setting flags drops Python's own -O3.
    for flags in ('CFLAGS', 'CXXFLAGS'):
        result[flags] = f'-O3 -g0 {result.get(flags, "")}'.strip()
    result.setdefault('MAX_JOBS', str(compile_jobs()))
    result.update(PIP_USER='0', PIP_DISABLE_PIP_VERSION_CHECK='1', MMCV_WITH_OPS='1', **variables)
    return result


class Environment:
    """A virtual environment and the steps that fill it.

    Args:
        folder: where it lies or will lie.
        stack: which of STACKS.
    """

    def __init__(self, folder, stack):
        self.folder = Path(folder).resolve()
        self.stack = STACKS[stack]
        self.python = self.folder / 'bin' / 'python'
        self.log = self.folder / 'mmdyup-setup.log'
        self.stamp = self.folder / 'mmdyup-setup.json'
        self.lock = None
        self.steps = 0
        self.cuda = {}  # what mmcv's build needs to be told for CUDA; empty for a CPU build

    # --- What is there already

    def works(self):
        """Whether its Python runs, is its own and is one that the packages support."""
        answer = ask(self.python, 'import sys; print(*sys.version_info[:2], sys.prefix)')
        major, minor, prefix = answer.split(' ', 2) if answer else (0, 0, '')
        return (
            (int(major), int(minor)) in self.stack.pythons
            and Path(prefix).resolve() == self.folder
            and (self.folder / 'bin' / 'activate').exists()
        )

    def ready(self):
        """Whether an earlier run finished, for the same requirements, and nothing has gone since.

        A GPU that has come since asks for another build of mmcv; one that has gone doesn't.
        """
        try:
            stamp = json.loads(self.stamp.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return False
        if stamp not in [self.content(cuda) for cuda in (True, wants_cuda())]:
            return False
        pins = {**self.pins(self.stack.torch), **self.pins(self.stack.openmmlab)}
        found = json.loads(ask(self.python, LOOK, *pins) or '{}')
        origin = str(ROOT / 'mmdyup' / '__init__.py')
        built = any(CSRC.glob('libmmdyup*.so'))
        return built and found == {'versions': pins, 'mmdyup': origin, 'ops': True}

    def pins(self, file):
        """Name and version of what a file in requirements/ pins."""
        return dict(line.split('==') for line in requirements(file) if '==' in line)

    def content(self, cuda):
        """What the stamp holds: changes with what is to be installed and where mmdyup lies."""
        names = ('build.txt', self.stack.torch, self.stack.openmmlab, *OTHERS)
        files = [ROOT / 'requirements' / name for name in names]
        files += [ROOT / 'setup.py', ROOT / 'pyproject.toml']
        files += sorted([*CSRC.glob('*.cpp'), *CSRC.glob('*.h')])
        content = [str(ROOT).encode(), *(file.read_bytes() for file in files)]
        return {'digest': hashlib.sha256(b'\0'.join(content)).hexdigest(), 'cuda': cuda}

    def packages(self):
        """Its site-packages folder."""
        return Path(ask(self.python, 'import sysconfig; print(sysconfig.get_path("purelib"))'))

    def holds(self, name):
        """Whether pip has installed a distribution to its end."""
        return any(self.packages().glob(f'{name}-*.dist-info/INSTALLER'))

    # --- How commands are run

    def hold(self):
        """Wait for any other set-up of this environment, the pip of a killed one included.

        The lock is on the folder itself and passes on to pip, so it lasts as long as pip does.
        """
        import fcntl  # not on Windows, which gets a sentence instead

        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f'Another set-up is at work in {self.folder}: waiting for it to end.')
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system that knows no locks

    def run(self, purpose, *command, **variables):
        """Run a module of the environment's Python, its output going to the log.

        Args:
            purpose: what a failure is a failure of.
            command: the module and its arguments.
            variables: what its environment holds besides.

        Raises:
            SetupError: it failed; says why, or where the output is and how it ends.
        """
        command = [str(part) for part in (self.python, '-m', *command)]
        scratch = self.folder / 'tmp'
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        path = os.pathsep.join((str(self.folder / 'bin'), os.environ.get('PATH', os.defpath)))
        with open(self.log, 'ab') as log:
            log.write(f'\n$ {shlex.join(command)}\n'.encode())
            log.flush()
            start = log.tell()
            # Straight into the file, no pipe: should this process be killed, pip still ends well.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=settings(TMPDIR=str(scratch), PATH=path, **self.cuda, **variables),
                pass_fds=() if self.lock is None else (self.lock,),
                cwd=self.folder,
            )
            self.watch(process, start)
        shutil.rmtree(scratch, ignore_errors=True)
        if process.returncode:
            raise SetupError(self.explain(purpose, start))

    def watch(self, process, start):
        """Wait for the process to end, saying every minute how far it is."""
        minutes = 0
        while True:
            try:
                process.wait(timeout=60)
                return
            except subprocess.TimeoutExpired:
                minutes += 1
                counts = re.findall(r'^\s*\[(\d+)/(\d+)\] ', self.logged(start), re.MULTILINE)
                files = ', {} of {} files compiled'.format(*counts[-1]) if counts else ''
                say(f'      {minutes} min{files}')

    def logged(self, start):
        with open(self.log, 'rb') as log:
            log.seek(start)
            return log.read().decode(errors='replace')

    def explain(self, purpose, start):
        output = self.logged(start)
        for pattern, cause in CAUSES:
            if re.search(pattern, output):
                return f'{purpose} failed: {cause} (the whole output is in {self.log})'
        last = '\n'.join(output.rstrip().splitlines()[-15:])
        return f'{purpose} failed; the whole output is in {self.log} and ends with\n{last}'

    def install(self, purpose, *args, **variables):
        """pip install; without build isolation, because mmcv's build must see the torch here."""
        files = [ROOT / 'requirements' / name for name in ('build.txt', self.stack.torch)]
        limits = [part for file in files for part in ('-c', file)]
        self.run(purpose, 'pip', 'install', '--no-build-isolation', *limits, *args, **variables)

    # --- The steps, in their order

    def set_up(self):
        self.make()
        self.install_torch()
        self.choose_cuda()
        self.install_mmcv()
        self.install_rest()
        self.install_mmdyup()
        self.check()
        unfinished = self.stamp.with_suffix('.part')
        unfinished.write_text(json.dumps(self.content(wants_cuda())), encoding='utf-8')
        unfinished.replace(self.stamp)

    def announce(self, text):
        self.steps += 1
        say(f'[{self.steps}/6] {text}')

    def make(self):
        """Make the environment unless it is there, and leave nothing half-installed in it."""
        self.announce('Making the virtual environment (a few seconds)')
        if not self.works():
            self.check_ours()
            made = subprocess.run(
                [sys.executable, '-m', 'venv', '--clear', '--without-pip', str(self.folder)],
                capture_output=True,
                text=True,
            )
            if made.returncode:
                reason = ' '.join((made.stderr or made.stdout).split())
                raise SetupError(f'making a virtual environment in {self.folder} failed: {reason}')
        self.stamp.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)
        self.drop_half_installed()
        if not self.holds('pip'):
            self.run('installing pip', 'ensurepip', '--upgrade', '--default-pip')

    def check_ours(self):
        """Raise if the folder holds anything but a virtual environment, or a part of one."""
        names = {path.name for path in self.folder.iterdir()}
        version = python_version(self.python)
        if 'pyvenv.cfg' not in names and not names <= PARTS:
            raise SetupError(
                f'{self.folder} is no virtual environment: choose another place with --venv'
            )
        if version and version not in self.stack.pythons:
            raise SetupError(
                '{} is an environment of Python {}.{}, and this stack needs {}: remove it, or '
                'choose another place with --venv'.format(
                    self.folder, *version, name_versions(self.stack.pythons)
                )
            )

    def drop_half_installed(self):
        """Forget packages whose installation was cut short, so that pip installs them again.

        pip writes INSTALLER after all of a package's files; without it the package isn't whole.
        """
        packages = self.packages()
        for info in packages.glob('*.dist-info'):
            if not (info / 'INSTALLER').exists():
                shutil.rmtree(info)
        for leftover in packages.glob('~*'):
            shutil.rmtree(leftover, ignore_errors=True)

    def install_torch(self):
        self.announce('Installing PyTorch (2 GB to download; then about a minute)')
        files = [ROOT / 'requirements' / name for name in ('build.txt', self.stack.torch)]
        parts = [part for file in files for part in ('-r', file)]
        self.install('installing PyTorch', *parts)
        if self.imports('torchvision')['torchvision'].endswith(MISFIT):
            say(
                '      One of PyTorch and torchvision came as another build (of a --find-links or '
                '--extra-index-url), and they do not fit: taking both from the package index'
            )
            # === takes this very version and none with a local part, such as 2.13.0+cpu
            exact = [f'{name}==={pin}' for name, pin in self.pins(self.stack.torch).items()]
            self.install('installing PyTorch', *exact)

    def choose_cuda(self):
        """Decide whether mmcv is compiled for CUDA, and with which toolkit."""
        if not wants_cuda():
            return
        answer = ask(
            self.python,
            'import torch; print(torch.version.cuda or "", int(torch.cuda.is_available()))',
        )
        cuda, usable = answer.split(' ') if answer else ('', '0')
        if usable == '0' and os.environ.get('FORCE_CUDA') != '1':
            say(
                f'      PyTorch cannot use the GPU here (its driver may be too old for CUDA {cuda}'
                '): mmcv is compiled for the CPU only'
            )
            return
        home = find_toolkit(cuda) or self.install_toolkit(cuda)
        # PyTorch brings the headers of CUDA's libraries, and the runtime under its full name only.
        brought = self.packages() / 'nvidia' / f'cu{cuda.split(".")[0]}'
        links = self.folder / 'cuda-links'
        links.mkdir(exist_ok=True)
        for library in brought.glob('lib/libcudart.so.*'):
            (links / 'libcudart.so').unlink(missing_ok=True)
            (links / 'libcudart.so').symlink_to(library)
        for name, value in (('CPATH', brought / 'include'), ('LIBRARY_PATH', links)):
            given = os.environ.get(name)
            self.cuda[name] = os.pathsep.join([given, str(value)] if given else [str(value)])
        self.cuda['CUDA_HOME'] = str(home)
        say(f'      mmcv is compiled for CUDA {cuda}, with the toolkit in {home}')

    def install_toolkit(self, cuda):
        """Fetch the compiler of PyTorch's CUDA version with pip; its folder."""
        found = json.loads(ask(self.python, LOOK, 'cuda-toolkit') or '{"versions": {}}')
        version = found['versions'].get('cuda-toolkit')
        home = self.packages() / 'nvidia' / f'cu{cuda.split(".")[0]}'
        sentence = (
            f'compiling mmcv for the GPU needs the CUDA toolkit {cuda} (nvcc): install it or name '
            'its folder in CUDA_HOME, or set CUDA_VISIBLE_DEVICES to nothing for a CPU build'
        )
        if version:
            say(f"      No CUDA {cuda} compiler here: fetching NVIDIA's packages of it")
            parts = f'cuda-toolkit[nvcc,nvvm,crt,cccl]=={version}'
            try:
                self.install('installing the CUDA compiler', parts)
            except SetupError as error:
                raise SetupError(f'{sentence} ({error.args[0].splitlines()[0]})') from None
        if not is_toolkit(home, cuda):
            raise SetupError(sentence)
        return home

    def install_mmcv(self):
        self.announce(
            f'Installing mmcv: compiled here, {self.compile_time()} (seconds if pip has it in its '
            'cache)'
        )
        self.build_mmcv()

    def compile_time(self):
        return f'{"about 20" if self.cuda else "about 3"} minutes on two cores'

    def build_mmcv(self, *flags):
        pin = f'{self.stack.mmcv}=={self.pins(self.stack.openmmlab)[self.stack.mmcv]}'
        self.install('installing mmcv', '-v', *flags, pin, **self.compilers())

    def compilers(self):
        """The variables that name the compilers of mmcv's build, which are scripts of ours."""
        programs = {'CXX': os.environ.get('CXX') or 'c++'}
        if self.cuda and self.stack.standard != Stack.standard:
            programs['PYTORCH_NVCC'] = shlex.quote(f'{self.cuda["CUDA_HOME"]}/bin/nvcc')
        scripts = {}
        for name, program in programs.items():
            script = self.folder / 'bin' / f'mmcv-{name.lower()}'
            text = COMPILER.format(compiler=program, standard=self.stack.standard)
            script.write_text(text, encoding='utf-8')
            script.chmod(0o755)
            scripts[name] = str(script)
        return scripts

    def install_rest(self):
        self.announce('Installing MMDetection, MMSegmentation and what they need (a minute)')
        names = (self.stack.openmmlab, *OTHERS)
        files = [part for name in names for part in ('-r', ROOT / 'requirements' / name)]
        self.install('installing MMDetection and MMSegmentation', *files)

    def install_mmdyup(self):
        self.announce('Installing mmdyup itself, with its C++ code (half a minute)')
        self.install('installing mmdyup', '--no-deps', '-e', ROOT)

    def check(self):
        """Import everything, mending what can be mended: no OpenGL, a stale build of mmcv."""
        self.announce('Checking that everything imports (half a minute)')
        found = self.imports()
        if re.search(r'\blib\S+\.so', found['cv2']) and self.holds('opencv_python'):
            say('      This machine has no OpenGL: taking the OpenCV that needs none')
            self.replace_opencv()
            found = self.imports()
        if found['cv2'] == found['torch'] == 'ok' and not self.mmcv_fits(found):
            say(
                "      The mmcv from pip's cache was built for another PyTorch or without CUDA: "
                f'compiling it anew, {self.compile_time()}'
            )
            self.build_mmcv('--no-cache-dir', '--force-reinstall', '--no-deps')
            found = self.imports()
        for name in MODULES:
            if found[name] != 'ok':
                raise SetupError(
                    f'{name} does not import ({found[name]}): see {self.log}, or remove '
                    f'{self.folder} and run again'
                )
        if not self.mmcv_fits(found):
            raise SetupError(f'mmcv was compiled without CUDA: see {self.log}')

    def imports(self, *modules):
        """'ok' or its error for each module, and under 'cuda' what mmcv was compiled for."""
        modules = modules or MODULES
        result = subprocess.run(
            [str(self.python), '-I', '-c', IMPORT, *modules],
            capture_output=True,
            text=True,
            env=settings(),
            cwd=self.folder,
        )
        with open(self.log, 'a', encoding='utf-8') as log:
            log.write(f'\n$ imports\n{result.stdout}{result.stderr}')
        told = dict(line.split(' ', 1) for line in result.stdout.splitlines() if ' ' in line)
        return {name: told.get(name, 'Python crashed') for name in (*modules, 'cuda')}

    def mmcv_fits(self, found):
        return found['mmcv.ops'] == 'ok' and (not self.cuda or found['cuda'][0].isdigit())

    def replace_opencv(self):
        version = json.loads(ask(self.python, LOOK, 'opencv-python'))['versions']['opencv-python']
        self.run('removing opencv-python', 'pip', 'uninstall', '-y', 'opencv-python')
        self.install(
            'installing opencv-python-headless',
            '--force-reinstall',
            '--no-deps',
            f'opencv-python-headless=={version}',
        )


def main():
    parser = argparse.ArgumentParser(description='Make the environment in which mmdyup runs.')
    parser.add_argument('--stack', choices=STACKS, default='openmmlab', help='which packages')
    parser.add_argument('--venv', type=Path, help='where to; .venv or .venv-STACK by default')
    args = parser.parse_args()
    stack = STACKS[args.stack]
    folder = '.venv' if args.stack == 'openmmlab' else f'.venv-{args.stack}'
    environment = Environment(args.venv or ROOT / folder, args.stack)
    try:
        if os.name != 'posix':
            raise SetupError('mmdyup is set up on Linux or macOS: on Windows, take WSL')
        if environment.ready():
            say(f'mmdyup is set up in {environment.folder}')
            return 0
        python = choose_python(stack.pythons)
        if python != sys.executable:
            os.execv(python, [python, __file__, *sys.argv[1:]])
        check_python()
        check_compiler(stack.standard)
        environment.hold()
        if not environment.ready():
            torch = environment.works() and environment.holds('torch')
            check_disk(
                environment.folder,
                REST_GB if torch else TORCH_GB + REST_GB,
                0 if torch else DOWNLOADS_GB,
            )
            say(f'Setting up mmdyup in {environment.folder} ({args.stack} stack)')
            environment.set_up()
        say(f'Done: mmdyup is set up in {environment.folder}')
    except (SetupError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('Interrupted: run again to go on from here.', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
