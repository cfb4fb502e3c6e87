import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmdyup.ops import backends, carafe, point_sample

pytestmark = pytest.mark.skipif(not backends.HAS_CPP, reason="mmdyup's C++ code is not built")

CAPABILITIES = {'AVX2': 'libmmdyup_avx2.so', 'DEFAULT': 'libmmdyup.so'}


@pytest.fixture
def library():
    from mmdyup.ops.csrc import library

    return library


@pytest.mark.parametrize('capability', CAPABILITIES)
def test_the_library_of_every_processor(capability, library, monkeypatch):
    if capability == 'AVX2' and not torch.backends.cpu.get_cpu_capability().startswith('AVX'):
        pytest.skip('this processor has no AVX2')
    monkeypatch.setattr(torch.backends.cpu, 'get_cpu_capability', lambda: capability)
    loaded = library.load(Path(library.__file__).parent)
    assert Path(loaded._name).name == CAPABILITIES[capability]
    for key, function in library.find_functions(loaded).items():
        monkeypatch.setitem(library.FUNCTIONS, key, function)
    x, m, o = torch.randn(2, 40, 5, 7), torch.randn(2, 50, 10, 14), torch.randn(2, 16, 5, 7)
    x.requires_grad_(), m.requires_grad_(), o.requires_grad_()
    for run, others in (
        (lambda way: carafe(x, m, 2, backend=way), m),
        (lambda way: point_sample(x, o, 2, 2, backend=way), o),
    ):
        y, expected = run('cpp'), run('reference')
        torch.testing.assert_close(y, expected, atol=1e-4, rtol=1e-4)
        grad = torch.randn_like(y)
        torch.testing.assert_close(
            torch.autograd.grad(y, (x, others), grad),
            torch.autograd.grad(expected, (x, others), grad),
            atol=1e-4,
            rtol=1e-4,
        )


def test_a_library_that_is_missing_or_does_not_fit_is_not_used(library, tmp_path, monkeypatch):
    with pytest.raises(ImportError, match='is not built: install a C\\+\\+ compiler'):
        library.load(tmp_path)
    monkeypatch.setattr(library, '_INTERFACE', 0)
    with pytest.raises(ImportError, match='built for another version'):
        library.load(Path(library.__file__).parent)


def test_a_library_whose_structs_differ_is_not_used(library, monkeypatch):
    class Longer(library.Sampling):
        _fields_ = [('more', ctypes.c_int64)]

    monkeypatch.setattr(library, 'Sampling', Longer)
    with pytest.raises(ImportError, match='built for another version'):
        library.load(Path(library.__file__).parent)


@pytest.mark.slow
def test_without_the_library_the_native_way_runs(library, tmp_path):
    package = Path(library.__file__).parents[2]
    shutil.copytree(package, tmp_path / 'mmdyup', ignore=shutil.ignore_patterns('*.so'))
    code = (
        'from mmdyup.ops import backends\n'
        "print(backends.__file__, backends.HAS_CPP, backends.usable_backends('point_sample'))"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(tmp_path))
    assert "False ['native', 'reference'" in done.stdout
