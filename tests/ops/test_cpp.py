import ctypes
import functools
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmdyup.ops import attend, backends, carafe, point_sample, reference

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
    q, p = torch.randn(2, 40, 10, 14), 5 * torch.rand(2, 12, 10, 14)
    for z in (x, m, o, q):
        z.requires_grad_()
    for run, others in (
        (lambda way: carafe(x, m, 2, backend=way), m),
        (lambda way: point_sample(x, o, 2, 2, backend=way), o),
        (lambda way: attend(q, x, x, p, 2, 2, backend=way), q),
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
    told = done.stdout.splitlines()[-1]
    assert told.startswith(str(tmp_path))
    assert "False ['native', 'reference'" in told


FORMATS = [torch.contiguous_format, torch.channels_last]
CLOSE = {torch.float64: {}, torch.float32: dict(atol=1e-3, rtol=1e-3)}


@functools.cache
def contractions(n, c, h, w, groups, k, s):
    """Feature, kernels and a gradient, and what the loops make of them."""
    x = torch.randn(n, c, h, w, dtype=torch.float64, requires_grad=True)
    m = torch.randn(n, groups * k * k, s * h, s * w, dtype=torch.float64, requires_grad=True)
    y = reference.carafe(x, m, k, groups, s)
    grad = torch.randn_like(y)
    return (x, m, grad), (y, *torch.autograd.grad(y, (m, x), grad))


@functools.cache
def samplings(n, c, h, w, groups, s):
    """Feature, offsets, a start and a gradient, and what the loops make of them."""
    x = torch.randn(n, c, h, w, dtype=torch.float64, requires_grad=True)
    o = (2 * torch.randn(n, 2, groups, s, s, h, w, dtype=torch.float64)).requires_grad_()
    start = torch.randn(2, groups, s, s)
    y = reference.point_sample(x, o, 0.7, start)
    grad = torch.randn_like(y)
    return (x, o, start, grad), (y, *torch.autograd.grad(y, (x, o), grad))


@functools.cache
def attentions(n, c, h, w, s, groups, heads, points):
    """Query, feature, positions and a gradient, and what the loops make of them."""
    size = torch.tensor((w, h)).view(2, 1, 1)
    positions = torch.rand(n, groups * points, 2, s * h, s * w, dtype=torch.float64)
    positions = ((size + 2) * positions - 1.5).flatten(1, 2)
    x = torch.randn(n, c, h, w, dtype=torch.float64)
    query, grad = (torch.randn(n, c, s * h, s * w, dtype=torch.float64) for _ in range(2))
    maps = [z.requires_grad_() for z in (query, x, positions)]
    y = reference.attend(query, x, x, positions, groups, heads, None)
    return (*maps, grad), (y, *torch.autograd.grad(y, maps, grad))


def strided(x):
    """``x`` with gaps in memory."""
    return torch.stack((x, x), -1)[..., 0]


@pytest.mark.parametrize('dtype', CLOSE)
@pytest.mark.parametrize('threads', [1, 2, 3])
@pytest.mark.parametrize(
    'n, c, h, w, groups, k, s',
    [
        (2, 4, 3, 4, 2, 3, 2),
        (1, 3, 1, 1, 1, 5, 3),
        (1, 4, 5, 1, 4, 7, 1),
        (2, 6, 2, 7, 3, 1, 4),
        (1, 41, 5, 18, 1, 5, 2),
        (1, 150, 2, 3, 1, 3, 3),
        (1, 64, 4, 3, 2, 9, 2),
    ],
)
def test_every_contraction_equals_the_loops(n, c, h, w, groups, k, s, threads, dtype, set_threads):
    from mmdyup.ops.reassembly import cpp

    (x, m, grad), expected = contractions(n, c, h, w, groups, k, s)
    for formats in itertools.product(FORMATS, repeat=3):
        maps = [z.detach().to(dtype) for z in (x, m, grad)]
        x_, m_, grad_ = (z.to(memory_format=f) for z, f in zip(maps, formats, strict=True))
        y_, grad_m, grad_x = (torch.empty_like(z) for z in (grad_, m_, x_))
        with set_threads(threads):
            cpp.reassemble(x_, m_, k, groups, s, False, y_)
            cpp.scores(x_, grad_, k, groups, s, grad_m)
            cpp.spread(m_, grad_, k, groups, s, grad_x)
        results = tuple(z.double() for z in (y_, grad_m, grad_x))
        torch.testing.assert_close(results, expected, **CLOSE[dtype])


@pytest.mark.parametrize('dtype', CLOSE)
@pytest.mark.parametrize('threads', [1, 2, 3])
@pytest.mark.parametrize(
    'n, c, h, w, groups, s',
    [
        (2, 4, 3, 4, 2, 2),
        (1, 3, 1, 1, 3, 3),
        (1, 4, 5, 1, 1, 1),
        (3, 34, 2, 17, 2, 2),
        (1, 150, 3, 2, 1, 4),
        (1, 2, 1, 2, 1, 33),
    ],
)
def test_samples_and_their_gradients_equal_the_loops(
    n, c, h, w, groups, s, threads, dtype, set_threads
):
    from mmdyup.ops.sampling import cpp

    (x, o, start, grad), expected = samplings(n, c, h, w, groups, s)
    for format_x, format_y, format_o in itertools.product(FORMATS, FORMATS, (*FORMATS, None)):
        x_, grad_, o_ = (z.detach().to(dtype) for z in (x, grad, o))
        x_, grad_ = x_.to(memory_format=format_x), grad_.to(memory_format=format_y)
        if format_o:
            o_ = o_.flatten(1, 4).contiguous(memory_format=format_o).unflatten(1, o.shape[1:5])
        else:
            o_ = strided(o_)
        y_, grad_x, grad_o = (torch.empty_like(z) for z in (grad_, x_, o_))
        with set_threads(threads):
            cpp.sample(x_, o_, start, 0.7, y_)
            cpp.sample_backward(x_, grad_, o_, start, 0.7, [True, True], grad_x, grad_o)
        results = tuple(z.double() for z in (y_, grad_x, grad_o))
        torch.testing.assert_close(results, expected, **CLOSE[dtype])


@pytest.mark.parametrize('dtype', CLOSE)
@pytest.mark.parametrize('threads', [1, 3, 9])
@pytest.mark.parametrize(
    'n, c, h, w, s, groups, heads, points',
    [
        (2, 12, 3, 4, 2, 4, 2, 3),
        (1, 150, 2, 3, 3, 1, 1, 2),
        (3, 36, 1, 35, 2, 2, 1, 5),
        (1, 3, 1, 1, 4, 3, 3, 1),
    ],
)
def test_attention_and_its_gradients_equal_the_loops(
    n, c, h, w, s, groups, heads, points, threads, dtype, set_threads
):
    """Blocks of channels, tiles of columns and shares of threads that do not come out even."""
    from mmdyup.ops.attention import cpp

    (*maps, grad), expected = attentions(n, c, h, w, s, groups, heads, points)
    for formats in itertools.product(FORMATS, repeat=3):
        q_, x_, p_ = (
            z.detach().to(dtype, memory_format=f) for z, f in zip(maps, formats, strict=True)
        )
        grad_ = grad.to(dtype, memory_format=formats[0])
        logits = p_.new_empty(n, heads * points, s * h, s * w).to(memory_format=formats[1])
        results = [torch.empty_like(z) for z in (grad_, x_, logits, p_, x_, logits, p_, q_)]
        y_, of_values, of_weights, of_p, of_keys, _, of_p_too, of_query = results
        with set_threads(threads):
            cpp.compare(q_, x_, p_, groups, heads, logits)
            weights = logits.unflatten(1, (heads, points)).softmax(2).flatten(1, 2)
            weights = weights.contiguous(memory_format=formats[1])
            cpp.collect(x_, weights, p_, groups, heads, y_)
            cpp.collect_backward(
                x_, weights, p_, grad_, groups, heads, 3 * [True], of_values, of_weights, of_p
            )
            m, g = (z.unflatten(1, (heads, points)) for z in (weights, of_weights))
            of_logits = (m * (g - (m * g).sum(2, keepdim=True))).flatten(1, 2)
            cpp.collect_backward(
                x_,
                of_logits,
                p_,
                q_,
                groups,
                heads,
                [True, False, True],
                of_keys,
                x_.new_empty(0),
                of_p_too,
            )
            cpp.collect(x_, of_logits, p_, groups, heads, of_query)
        found = y_, of_query, of_values + of_keys, of_p + of_p_too
        torch.testing.assert_close(tuple(z.double() for z in found), expected, **CLOSE[dtype])


DTYPES = ['float16', 'bfloat16', 'float32']


@pytest.mark.parametrize('dtypes', list(itertools.permutations(DTYPES, 2)))
def test_mixed_dtypes_and_gaps_in_memory(dtypes):
    from mmdyup.ops.reassembly import cpp

    first, second = (getattr(torch, name) for name in dtypes)
    x, m = torch.randn(1, 4, 3, 5).to(first), torch.randn(1, 9, 6, 10).to(second)
    y = torch.empty(1, 4, 6, 10, dtype=torch.float64)
    cpp.reassemble(strided(x), strided(m), 3, 1, 2, False, y)
    torch.testing.assert_close(
        y, reference.carafe(x.double(), m.double(), 3, 1, 2), **CLOSE[torch.float32]
    )
