"""tools/install.py in a copy of the set-up files, with a stand-in for pip that installs stubs.

Python, virtual environments, locks and the installer itself are real; only pip is not, nor are the
packages: what pip is asked to do and what comes of it is the stand-in's, below.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections import namedtuple
from pathlib import Path

import pytest

import install
import install_checks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CSRC = install.CSRC.relative_to(ROOT)

# `plan.json` beside it says how it is to behave; `calls.jsonl` keeps what it was asked.
PIP = '''
import json, os, pathlib, shutil, signal, sys, time

site = pathlib.Path(__file__).resolve().parent.parent
plan = json.loads((site / 'plan.json').read_text())
args = sys.argv[1:]
cuda = plan.get('torch_cuda', '13.0')
major = cuda.split('.')[0]
home = f'nvidia/cu{major}'
kept = ('CUDA_HOME', 'LIBRARY_PATH', 'CXX', 'CXXFLAGS', 'PYTHONPATH')
call = {'args': args, 'env': {name: os.environ.get(name) for name in kept}}
with open(site / 'calls.jsonl', 'a') as calls:
    calls.write(json.dumps(call) + '\\n')

def put(path, text):
    (site / path).parent.mkdir(parents=True, exist_ok=True)
    (site / path).write_text(text)

def stub(name, version):
    module = {'opencv-python': 'cv2', 'opencv-python-headless': 'cv2', 'mmsegmentation': 'mmseg',
              'onedl-mmcv': 'mmcv', 'onedl-mmdetection': 'mmdet',
              'onedl-mmsegmentation': 'mmseg'}.get(name, name)
    code = ''
    if name == 'torch':
        code = f"""
class version: cuda = {cuda!r}
class cuda: is_available = staticmethod(lambda: False)
"""
        stub('cuda-toolkit', f'{cuda}.2')
        put(f'{home}/lib/libcudart.so.{major}', '')
    if name == 'torchvision':
        code = """
import pathlib
if list(pathlib.Path(__file__).parents[1].glob('torch-*+cpu.dist-info')):
    raise RuntimeError('operator torchvision::nms does not exist')
"""
    if name == 'opencv-python' and plan.get('no_opengl'):
        code = "raise ImportError('libGL.so.1: cannot open shared object file')"
    if module == 'mmcv':
        stub('opencv-python', '4.9.0')
        fresh = '--no-cache-dir' in args
        broken = plan.get('mmcv') == 'broken' or (plan.get('mmcv') == 'stale' and not fresh)
        built = cuda if os.environ.get('CUDA_HOME') and (fresh or plan.get('mmcv') != 'cpu') \\
            else 'not available'
        ops = "raise ImportError('undefined symbol')" if broken else \\
            f'get_compiling_cuda_version = lambda: {built!r}'
        put('mmcv/ops/__init__.py', ops)
        put('mmcv/_ext.so', '')
    if name.startswith('cuda-toolkit['):
        put(f'{home}/include/cuda_runtime.h', '')
        put(f'{home}/bin/nvcc', f'#!/bin/sh\\necho release {cuda}, V{cuda}.88\\n')
        (site / home / 'bin' / 'nvcc').chmod(0o755)
    put(f'{module}/__init__.py', code)
    for old in site.glob(f'{name.replace("-", "_")}-*.dist-info'):
        shutil.rmtree(old)
    info = f'{name.replace("-", "_")}-{version}.dist-info'
    put(f'{info}/METADATA', f'Name: {name}\\nVersion: {version}\\n')
    if name == plan.get('die_within'):
        del plan['die_within']
        (site / 'plan.json').write_text(json.dumps(plan))
        os.kill(os.getpid(), signal.SIGKILL)
    put(f'{info}/INSTALLER', 'pip')

lines, editable = [], None
words = iter(args[1:])
for word in words:
    if word == '-r':
        lines += pathlib.Path(next(words)).read_text().splitlines()
    elif word == '-e':
        editable = next(words)
    elif word == '-c':
        next(words)
    elif not word.startswith('-'):
        lines.append(word)
for line in lines:
    if args[0] == 'uninstall':
        put('cv2/__init__.py', "raise ImportError('removed')")
    elif line and line[0] != '#':
        name, _, version = line.replace('===', '== ').partition('==')
        exact, version = version.startswith(' '), version.strip()
        if name == plan.get('fail_at'):
            sys.exit(plan['output'])
        for _ in range(600):
            if name == plan.get('wait_at') and not (site / 'go').exists():
                time.sleep(0.1)
        builds = '' if exact else '*'
        done = list(site.glob(f'{name.replace("-", "_")}-{version}{builds}.dist-info/METADATA'))
        if version and ('--force-reinstall' in args or not done):
            stub(name, version + ('+cpu' if name == plan.get('cpu') and not exact else ''))
if editable:
    put('mmdyup.pth', editable)
    csrc = pathlib.Path(editable, 'CSRC')
    (csrc / 'library.py').write_text("raise ImportError('not built')" if plan.get('no_cpp') else '')
    (csrc / 'libmmdyup.so').touch()
'''.replace('CSRC', str(CSRC))

Result = namedtuple('Result', 'status out err')


class Machine:
    """A copy of the set-up files in a folder, with an environment that holds the stand-in pip."""

    def __init__(self, folder):
        self.repo = folder / 'repo'
        self.venv = self.repo / '.venv'
        (self.repo / 'mmdyup').mkdir(parents=True)
        (self.repo / 'mmdyup' / '__init__.py').touch()
        (self.repo / CSRC).mkdir(parents=True)
        (self.repo / CSRC / 'sums.cpp').touch()
        (self.repo / 'tools').mkdir()
        for name in ('install.py', 'install_checks.py'):
            shutil.copy(ROOT / 'tools' / name, self.repo / 'tools')
        shutil.copytree(ROOT / 'requirements', self.repo / 'requirements')
        for name in ('setup.py', 'pyproject.toml'):
            shutil.copy(ROOT / name, self.repo)
        venv.create(self.venv, symlinks=True)
        version = '{}.{}'.format(*sys.version_info[:2])
        self.site = self.venv / 'lib' / f'python{version}' / 'site-packages'
        (self.site / 'pip').mkdir()
        (self.site / 'pip' / '__main__.py').write_text(PIP)
        (self.site / 'pip-99.dist-info').mkdir()
        (self.site / 'pip-99.dist-info' / 'METADATA').write_text('Name: pip\nVersion: 99\n')
        (self.site / 'pip-99.dist-info' / 'INSTALLER').touch()
        self.plan()

    def plan(self, **plan):
        (self.site / 'plan.json').write_text(json.dumps(plan))

    def command(self, *args):
        return [sys.executable, str(self.repo / 'tools' / 'install.py'), *args]

    def environ(self, **variables):
        unset = ('CUDA_HOME', 'CUDA_PATH', 'FORCE_CUDA', 'CXX', 'LIBRARY_PATH')
        kept = {name: value for name, value in os.environ.items() if name not in unset}
        # Should the real pip ever be reached, it must find nothing.
        offline = {'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': '', 'PIP_CONFIG_FILE': os.devnull}
        return {**kept, **offline, 'CUDA_VISIBLE_DEVICES': '', **variables}

    def set_up(self, *args, **variables):
        done = subprocess.run(
            self.command(*args), capture_output=True, text=True, env=self.environ(**variables)
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def calls(self):
        """What pip was asked since the last time this was asked."""
        file = self.site / 'calls.jsonl'
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def nvcc_home(folder, release):
    """A folder like a CUDA toolkit's."""
    (folder / 'include').mkdir(parents=True)
    (folder / 'include' / 'cuda_runtime.h').touch()
    (folder / 'bin').mkdir()
    (folder / 'bin' / 'nvcc').write_text(f'#!/bin/sh\necho "release {release}, V{release}.1"\n')
    (folder / 'bin' / 'nvcc').chmod(0o755)
    return str(folder)


def assert_one_sentence(result):
    assert result.status == 1
    assert result.err.startswith('error: ')
    assert result.err.count('\n') == 1
    assert 'Traceback' not in result.err


def test_installs_in_order_then_has_nothing_left_to_do(machine):
    result = machine.set_up(PYTHONPATH='/elsewhere')
    assert result.status == 0, result.err
    calls = [call['args'] for call in machine.calls()]
    texts = [' '.join(args) for args in calls]
    order = [
        next(number for number, text in enumerate(texts) if part in text)
        for part in ('build.txt', ' mmcv==2.1.0', 'runtime.txt', f'-e {machine.repo}')
    ]
    assert order == sorted(order) and len(set(order)) == 4
    mmcv = calls[order[1]]
    assert '--no-build-isolation' in mmcv and '--no-cache-dir' not in mmcv
    assert not any('===' in text for text in texts)
    assert '--no-deps' in calls[order[3]]

    again = machine.set_up()
    assert again.status == 0
    assert machine.calls() == []


def test_compiles_optimised_and_without_the_users_python_path(machine):
    machine.set_up(PYTHONPATH='/elsewhere', CXXFLAGS='-march=native')
    for call in machine.calls():
        assert call['env']['CXXFLAGS'].split() == ['-O3', '-g0', '-march=native']
        assert call['env']['PYTHONPATH'] is None


@pytest.mark.parametrize('stack', ['onedl', 'oldest'])
def test_other_stacks_install_their_own_packages(machine, stack):
    if sys.version_info[:2] not in install.STACKS[stack].pythons:
        pytest.skip(f'the stack {stack} is not for this Python')
    result = machine.set_up('--stack', stack, '--venv', str(machine.venv))
    assert result.status == 0, result.err
    asked = {Path(word).name for call in machine.calls() for word in call['args']}
    parts = {
        'onedl': {'torch_2.13.txt', 'mminstall_onedl.txt', 'onedl-mmcv==2.3.6'},
        'oldest': {'torch_2.1.txt', 'mminstall.txt', 'mmcv==2.1.0'},
    }
    own = parts.pop(stack)
    assert own <= asked and asked.isdisjoint(*parts.values())


@pytest.mark.parametrize('stack', install.STACKS)
def test_stacks_pin_their_packages(tmp_path, stack):
    environment = install.Environment(tmp_path, stack)
    stack = environment.stack
    assert {'torch', 'torchvision'} == set(environment.pins(stack.torch))
    assert len(environment.pins(stack.openmmlab)) >= 4
    assert stack.mmcv in environment.pins(stack.openmmlab)


def test_the_standard_of_cpp_that_the_stack_needs_reaches_the_compiler(tmp_path, monkeypatch):
    environment = install.Environment(tmp_path / 'a folder', 'newest')
    (environment.folder / 'bin').mkdir(parents=True)
    asked = []
    monkeypatch.setattr(environment, 'run', lambda *_, **variables: asked.append(variables))
    monkeypatch.setenv('CXX', 'echo the compiler')
    environment.build_mmcv()
    assert 'PYTORCH_NVCC' not in asked[0]
    flags = ['-O3', '-std=c++17', '-DNAME="two  words"', '-c', 'file of mmcv.cpp', '-std=c++17']
    told = subprocess.run([asked[0]['CXX'], *flags], capture_output=True, text=True).stdout
    assert told == (
        'the compiler -O3 -std=c++20 -DNAME="two  words" -c file of mmcv.cpp -std=c++20\n'
    )
    environment.cuda = {'CUDA_HOME': nvcc_home(tmp_path / 'cuda', '13.0')}
    environment.build_mmcv()
    told = subprocess.run([asked[1]['PYTORCH_NVCC'], '--version'], capture_output=True, text=True)
    assert told.stdout == 'release 13.0, V13.0.1\n'


def test_mmcv_is_compiled_with_the_users_compiler(machine):
    machine.set_up(CXX='echo -DMINE')
    scripts = {call['env']['CXX'] for call in machine.calls()} - {'echo -DMINE'}
    told = subprocess.run([*scripts, '-std=c++17', '-v'], capture_output=True, text=True).stdout
    assert told == '-DMINE -std=c++17 -v\n'


@pytest.mark.skipif(
    'Free Software Foundation' not in subprocess.getoutput('c++ --version'),
    reason='c++ is not GCC here',
)
def test_the_header_of_pytorch_is_read_once_for_all_files_of_mmcv(tmp_path, monkeypatch):
    environment = install.Environment(tmp_path / 'a folder', 'openmmlab')
    (environment.folder / 'bin').mkdir(parents=True)
    monkeypatch.delenv('CXX', raising=False)
    compiler = environment.compilers()['CXX']
    monkeypatch.setenv('TMPDIR', str(environment.folder))
    header = environment.folder / 'include' / 'torch' / 'types.h'
    header.parent.mkdir(parents=True)
    source = environment.folder / 'one.cpp'
    source.write_text('#include <torch/types.h>\nint main() { return VALUE; }\n')

    def compiled(value, *flags):
        header.write_text(f'#ifndef VALUE\n#define VALUE {value}\n#endif\n')
        built = [environment.folder / name for name in ('one.o.d', 'one.o', 'one')]
        include = header.parents[1]
        command = [compiler, '-MMD', '-MF', built[0], f'-I{include}', *flags, '-c', source]
        subprocess.run([*command, '-o', built[1]], check=True)
        subprocess.run([compiler, built[1], '-o', built[2]], check=True)
        return subprocess.run([built[2]]).returncode

    assert compiled(1, '-O3') == 1
    assert compiled(2, '-O3') == 1  # read before, for the first file
    assert compiled(3, '-O3', '-fPIC') == 3  # GCC takes none of other flags, and reads it anew
    assert compiled(4, '-O3', '-DVALUE=5') == 5


def test_a_header_that_cannot_be_precompiled_stops_nothing(tmp_path, monkeypatch):
    environment = install.Environment(tmp_path, 'openmmlab')
    (tmp_path / 'bin').mkdir()
    compiler = environment.compilers()['CXX']
    monkeypatch.setenv('TMPDIR', '/nowhere')
    (tmp_path / 'one.cpp').write_text('int main() { return 7; }\n')
    subprocess.run([compiler, '-c', tmp_path / 'one.cpp', '-o', tmp_path / 'one.o'], check=True)
    assert (tmp_path / 'one.o').exists()


def test_torch_that_does_not_fit_torchvision_is_replaced_before_mmcv_is_compiled(machine):
    machine.plan(cpu='torch')
    result = machine.set_up()
    assert result.status == 0, result.err
    texts = [' '.join(call['args']) for call in machine.calls()]
    assert [number for number, text in enumerate(texts) if 'torch===2.13.0' in text] == [1]
    assert ' mmcv==2.1.0' in texts[2]
    assert 'do not fit' in result.out
    machine.set_up()
    assert machine.calls() == []


def test_runs_again_when_something_changed(machine):
    machine.set_up()
    machine.calls()
    for name, text in (
        ('repo/requirements/runtime.txt', 'another'),
        ('repo/.venv/mmdyup-setup.json', '{'),
        ('site/mmdet-3.3.0.dist-info/METADATA', 'Name: mmdet\nVersion: 3.2.0\n'),
        ('site/mmcv/_ext.so', None),
        (f'repo/{CSRC}/sums.cpp', 'another'),
        (f'repo/{CSRC}/libmmdyup.so', None),
    ):
        folder, _, name = name.partition('/')
        file = getattr(machine, folder) / name
        before = file.read_text()
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        machine.set_up()
        assert machine.calls() != [], name
        if folder == 'site':
            file.write_text(before)


@pytest.mark.parametrize('package', ['torch', 'mmcv', 'mmdet'])
def test_killed_while_a_package_is_installed_the_next_run_completes_it(machine, package):
    machine.plan(die_within=package)
    assert machine.set_up().status == 1
    info = next(machine.site.glob(f'{package}-*.dist-info'))
    assert not (info / 'INSTALLER').exists()

    assert machine.set_up().status == 0
    assert (info / 'INSTALLER').exists()
    machine.calls()
    assert machine.set_up().status == 0
    assert machine.calls() == []


def test_killed_installer_leaves_pip_working_and_the_next_run_waits_for_it(machine):
    def begin():
        return subprocess.Popen(
            machine.command(), env=machine.environ(), stdout=subprocess.PIPE, text=True
        )

    machine.plan(wait_at='mmcv')
    first = begin()
    calls = machine.site / 'calls.jsonl'
    while not (calls.exists() and 'mmcv==' in calls.read_text()):
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = begin()
    assert 'waiting' in second.stdout.readline()
    (machine.site / 'go').touch()
    assert 'Done' in second.communicate()[0]
    assert second.returncode == 0
    assert (machine.site / 'mmcv-2.1.0.dist-info' / 'INSTALLER').exists()


def test_stale_build_of_mmcv_is_compiled_anew(machine):
    machine.plan(mmcv='stale')
    result = machine.set_up()
    assert result.status == 0, result.err
    rebuilt = [call['args'] for call in machine.calls() if '--force-reinstall' in call['args']]
    assert len(rebuilt) == 1
    assert {'--no-cache-dir', '--no-deps', 'mmcv==2.1.0'} <= set(rebuilt[0])


def test_mmcv_that_stays_broken_is_told_and_never_counts_as_done(machine):
    machine.plan(mmcv='broken')
    for _ in range(2):
        result = machine.set_up()
        assert_one_sentence(result)
        assert 'mmcv.ops' in result.err and 'undefined symbol' in result.err


def test_cpp_code_that_was_not_built_is_told(machine):
    machine.plan(no_cpp=True)
    result = machine.set_up()
    assert_one_sentence(result)
    assert '.library does not import' in result.err


def test_without_opengl_the_headless_opencv_of_the_same_version_is_taken(machine):
    machine.plan(no_opengl=True)
    result = machine.set_up()
    assert result.status == 0, result.err
    calls = [call['args'] for call in machine.calls()]
    assert 'opencv-python-headless==4.9.0' in calls[-1]
    assert not any('--no-cache-dir' in args for args in calls)


def test_failures_of_pip_are_told_in_one_sentence(machine):
    for output, word in (
        ('OSError: [Errno 28] No space left on device', 'disk'),
        ('NewConnectionError: failed to establish', 'network'),
        ('c++: fatal error: Killed signal terminated program cc1plus', 'memory'),
    ):
        machine.plan(fail_at='mmcv', output=output)
        result = machine.set_up()
        assert_one_sentence(result)
        assert word in result.err
    machine.plan(fail_at='mmcv', output='something unheard of')
    result = machine.set_up()
    assert result.status == 1
    assert str(machine.venv / 'mmdyup-setup.log') in result.err
    assert 'something unheard of' in result.err


def test_a_folder_that_is_no_environment_is_left_alone(machine, tmp_path):
    papers = tmp_path / 'papers'
    papers.mkdir()
    (papers / 'thesis.tex').touch()
    result = machine.set_up('--venv', str(papers))
    assert_one_sentence(result)
    assert [path.name for path in papers.iterdir()] == ['thesis.tex']


@pytest.mark.parametrize('half', ['broken', 'begun'])
def test_a_broken_or_half_made_environment_is_made_anew(tmp_path, monkeypatch, half):
    environment = install.Environment(tmp_path / 'venv', 'openmmlab')
    environment.python.parent.mkdir(parents=True)
    if half == 'broken':
        environment.python.symlink_to('/nowhere/python')
        (environment.folder / 'pyvenv.cfg').write_text('home = /nowhere\n')
    asked = []
    monkeypatch.setattr(environment, 'run', lambda *words: asked.append(words))
    environment.make()
    assert environment.works()
    assert 'ensurepip' in asked[0]


@pytest.mark.parametrize('compiler', ['/nowhere/c++', 'false', 'no-headers'])
def test_no_compiler_ends_before_anything_is_installed(machine, tmp_path, compiler):
    if compiler == 'no-headers':
        script = tmp_path / 'c++'
        script.write_text('#!/bin/sh\n! grep -q Python.h\n')
        script.chmod(0o755)
        compiler = str(script)
    result = machine.set_up(CXX=compiler)
    assert_one_sentence(result)
    assert ('Python.h' if 'tmp' in compiler else 'compiler') in result.err
    assert machine.calls() == []


def test_a_compiler_that_is_too_old_for_the_stack(tmp_path, monkeypatch):
    script = tmp_path / 'c++'
    script.write_text('#!/bin/sh\ncase "$*" in *c++20*) exit 1;; esac\n')
    script.chmod(0o755)
    monkeypatch.setenv('CXX', str(script))
    install_checks.check_compiler('c++17')
    with pytest.raises(install_checks.SetupError, match=r'does not know c\+\+20'):
        install_checks.check_compiler('c++20')


def test_no_room_on_the_disk(monkeypatch, tmp_path):
    usage = namedtuple('usage', 'total used free')
    for free, fits in ((20e9, True), (1e9, False)):
        monkeypatch.setattr(
            install_checks.shutil, 'disk_usage', lambda _, free=free: usage(99e9, 0, free)
        )
        if fits:
            install_checks.check_disk(tmp_path / 'not' / 'yet', 6.0, 3.0)
        else:
            with pytest.raises(install_checks.SetupError, match='1.0 GB free'):
                install_checks.check_disk(tmp_path / 'not' / 'yet', 6.0, 3.0)


def test_python_that_cannot_make_environments(monkeypatch):
    install_checks.check_python()
    monkeypatch.setitem(sys.modules, 'ensurepip', None)
    with pytest.raises(install_checks.SetupError, match='-venv'):
        install_checks.check_python()


def test_unsupported_python_looks_for_another_that_works(monkeypatch, tmp_path):
    def put(path, script):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o755)
        return str(path)

    def choose():
        return install_checks.choose_python(((3, 12), (3, 11)))

    old = namedtuple('sys', 'version_info executable')((3, 9, 18), '/usr/bin/python3')
    monkeypatch.setattr(install_checks, 'sys', old)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setenv('PYENV_ROOT', str(tmp_path / 'pyenv'))
    with pytest.raises(install_checks.SetupError, match=r'needs Python 3\.11 or 3\.12, .* is 3\.9'):
        choose()
    put(tmp_path / 'python3.12', 'exit 127')  # as pyenv's, where another version is chosen
    eleven = put(tmp_path / 'python3.11', 'echo 3 11')
    assert choose() == eleven
    twelve = put(tmp_path / 'pyenv' / 'versions' / '3.12.1' / 'bin' / 'python', 'echo 3 12')
    assert choose() == twelve


def test_environment_of_a_python_that_the_stack_does_not_support(tmp_path, monkeypatch):
    environment = install.Environment(tmp_path, 'newest')
    environment.python.parent.mkdir(parents=True)
    environment.python.write_text('#!/bin/sh\necho 3 9\n')
    environment.python.chmod(0o755)
    with pytest.raises(install_checks.SetupError, match=r'3\.9, .* needs Python 3\.12'):
        environment.check_ours()


def test_nvcc_without_a_gpu_means_a_cpu_build(machine, tmp_path):
    home = nvcc_home(tmp_path / 'cuda', '13.0')
    path = os.pathsep.join((f'{home}/bin', os.environ['PATH']))
    assert machine.set_up(PATH=path).status == 0
    assert all(call['env']['CUDA_HOME'] is None for call in machine.calls())


def test_cuda_build_takes_the_toolkit_that_fits(machine, tmp_path):
    home = nvcc_home(tmp_path / 'cuda', '13.2')
    result = machine.set_up(FORCE_CUDA='1', CUDA_HOME=home)
    assert result.status == 0, result.err
    calls = machine.calls()
    mmcv = next(call for call in calls if 'mmcv==2.1.0' in call['args'])
    assert mmcv['env']['CUDA_HOME'] == home
    link = Path(mmcv['env']['LIBRARY_PATH'], 'libcudart.so')
    assert link.resolve() == (machine.site / 'nvidia/cu13/lib/libcudart.so.13').resolve()
    assert not any('cuda-toolkit' in ' '.join(call['args']) for call in calls)


def test_cuda_build_fetches_the_compiler_of_pytorchs_version(machine):
    machine.plan(torch_cuda='99.0')
    result = machine.set_up(FORCE_CUDA='1')
    assert result.status == 0, result.err
    calls = machine.calls()
    fetched = next(call for call in calls if 'cuda-toolkit[' in ' '.join(call['args']))
    assert fetched['args'][-1].endswith(']==99.0.2') and 'nvcc' in fetched['args'][-1]
    mmcv = next(call for call in calls if 'mmcv==2.1.0' in call['args'])
    assert mmcv['env']['CUDA_HOME'] == str(machine.site / 'nvidia' / 'cu99')


def test_cuda_build_without_a_compiler_says_what_is_needed(machine):
    machine.plan(torch_cuda='99.0', fail_at='cuda-toolkit[nvcc,nvvm,crt,cccl]', output='no\nway')
    result = machine.set_up(FORCE_CUDA='1')
    assert_one_sentence(result)
    assert 'CUDA toolkit 99.0' in result.err and 'CUDA_VISIBLE_DEVICES' in result.err


def test_gpu_that_pytorch_cannot_use_means_a_cpu_build(tmp_path, monkeypatch, capsys):
    environment = install.Environment(tmp_path, 'openmmlab')
    monkeypatch.delenv('FORCE_CUDA', raising=False)
    monkeypatch.setattr(install, 'wants_cuda', lambda: True)
    monkeypatch.setattr(install, 'ask', lambda *_: '13.0 0')
    environment.choose_cuda()
    assert environment.cuda == {}
    assert 'driver' in capsys.readouterr().out


def test_cuda_asked_for_later_and_only_then_compiles_mmcv_again(machine):
    assert machine.set_up().status == 0
    machine.calls()
    machine.plan(torch_cuda='99.0', mmcv='cpu')
    assert machine.set_up(FORCE_CUDA='1').status == 0
    assert any('--force-reinstall' in call['args'] for call in machine.calls())
    assert machine.set_up(FORCE_CUDA='1').status == machine.set_up().status == 0
    assert machine.calls() == []
