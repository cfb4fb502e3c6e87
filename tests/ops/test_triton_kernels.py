"""On a CUDA device, or where Triton is interpreted: see test_triton_interpreted.py."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch

pytest.importorskip('triton.errors')

from triton.runtime.errors import PTXASError  # noqa: E402

from mmdyup.ops import (  # noqa: E402
    carafe,
    expand_and_reassemble,
    expand_kernels,
    neighborhood_scores,
    point_sample,
)
from mmdyup.ops.backends import triton_is_interpreted  # noqa: E402
from mmdyup.ops.triton_tools.launch import intercept_launches  # noqa: E402

if not (triton_is_interpreted() or torch.cuda.is_available()):
    pytest.skip('needs a CUDA device or the interpreter', allow_module_level=True)

OPS = ['carafe', 'carafe_of_logits', 'point_sample', 'expand_and_reassemble']
ALL = [*OPS, 'neighborhood_scores']
# the operators that a call runs, forward and backward
PRIMITIVES = dict(
    carafe=['reassemble', 'spread', 'scores'],
    carafe_of_logits=['reassemble', 'spread', 'scores'],
    neighborhood_scores=['scores', 'spread', 'reassemble'],
    point_sample=['sample', 'sample_backward'],
    expand_and_reassemble=[
        'expand_and_reassemble',
        'sample',
        'spread',
        'scores',
        'sample_backward',
    ],
)
FORMATS = [torch.contiguous_format, torch.channels_last]


# a test of the kernels must not pass by what runs where they fail
pytestmark = pytest.mark.filterwarnings('error:Triton cannot compile')


@pytest.fixture(autouse=True)
def runs(device, monkeypatch):
    from mmdyup.ops import backends

    monkeypatch.setattr(backends, '_WARNED', set())
    monkeypatch.setattr(backends, '_FAILED', set())
    if triton_is_interpreted():
        # the interpreter otherwise checks every sum of integers, which takes most of its time
        from triton.runtime import interpreter

        monkeypatch.setattr(
            interpreter.interpreter_builder,
            'options',
            interpreter.InterpreterOptions(sanitize_overflow=False),
        )
        watch_memory(interpreter, monkeypatch)
        patch_once(interpreter, monkeypatch)


def patch_once(interpreter, monkeypatch):
    """The interpreter puts its own functions in the language's place for a launch, and again in
    every function that a kernel calls, to no effect and for a third of its time."""
    language = interpreter.tl

    def patch(fn, of=interpreter._patch_lang):
        spoken = [value for value in fn.__globals__.values() if value in (language, language.core)]
        return of(fn) if any(language.core.is_builtin(tl.load) for tl in spoken) else None

    monkeypatch.setattr(interpreter, '_patch_lang', patch)


def watch_memory(interpreter, monkeypatch):
    """Makes what reads or writes outside a launch's tensors fail."""
    builder, executor = interpreter.InterpreterBuilder, interpreter.GridExecutor
    known = []

    def note(self, args, kwargs, of=executor._init_args_hst):
        result = of(self, args, kwargs)
        known[:] = [
            (
                t.data_ptr(),
                t.data_ptr()
                + t.element_size()
                * (1 + sum((n - 1) * step for n, step in zip(t.shape, t.stride(), strict=True))),
            )
            for t in result[0]
            if isinstance(t, torch.Tensor)
        ]
        return result

    def watch(of, pointers, mask):
        def watched(self, *args):
            used = args[pointers].data[args[mask].data.astype(bool)]
            inside = [(first <= used) & (used < end) for first, end in known]
            assert np.logical_or.reduce(inside).all(), 'outside of every tensor'
            return of(self, *args)

        return watched

    monkeypatch.setattr(executor, '_init_args_hst', note)
    for name, pointers, mask in [
        ('create_masked_load', 0, 1),
        ('create_masked_store', 0, 2),
        ('create_atomic_rmw', 1, 3),
    ]:
        monkeypatch.setattr(builder, name, watch(getattr(builder, name), pointers, mask))


def make(op, n, c, h, w, groups, k, s, **options):
    """The function of an operator that takes a backend, and random inputs for it."""

    def randn(*shape):
        return torch.randn(shape, **options)

    x = randn(n, c, h, w)
    if op.startswith('carafe'):
        run = partial(carafe, groups=groups, softmax=op == 'carafe_of_logits')
        others = [randn(n, groups * k * k, s * h, s * w)]
    elif op == 'neighborhood_scores':
        run = partial(neighborhood_scores, kernel_size=k)
        x, others = randn(n, c, s * h, s * w), [x]
    elif op == 'point_sample':
        places = 2 * groups * s * s
        run = partial(point_sample, groups=groups, scale=0.3, start=randn(1, places, 1, 1))
        others = [randn(n, places, h, w)]
    else:
        run = partial(
            expand_kernels if op == 'expand_kernels' else expand_and_reassemble, groups=groups
        )
        others = [randn(n, groups * k * k, h, w), randn(n, 2 * groups, s * h, s * w)]
    if op == 'expand_kernels':
        x, others = others[0], others[1:]
    return partial(run, scale_factor=s), (x, *others)


def in_format(tensors, memory_format):
    return [t.detach().to(memory_format=memory_format).requires_grad_() for t in tensors]


def check_against_plain_loops(run, args):
    y, expected = run(*args, backend='triton'), run(*args, backend='reference')
    torch.testing.assert_close(y, expected)
    grad = torch.randn_like(y)
    torch.testing.assert_close(
        torch.autograd.grad(y, args, grad), torch.autograd.grad(expected, args, grad)
    )


@pytest.mark.parametrize(
    'op, sizes, memory_format',
    [
        ('carafe', (2, 4, 1, 3, 2, 3, 2), FORMATS[0]),
        ('carafe', (1, 3, 1, 1, 1, 5, 3), FORMATS[0]),
        ('carafe', (1, 2, 1, 2, 1, 7, 1), FORMATS[1]),
        ('carafe', (1, 2, 1, 1, 1, 1, 16), FORMATS[0]),
        ('carafe_of_logits', (2, 4, 1, 3, 2, 3, 2), FORMATS[0]),
        ('carafe_of_logits', (1, 3, 1, 1, 1, 5, 3), FORMATS[1]),
        ('carafe_of_logits', (1, 2, 1, 2, 1, 7, 1), FORMATS[0]),
        ('neighborhood_scores', (2, 4, 1, 3, 1, 3, 2), FORMATS[0]),
        ('neighborhood_scores', (1, 3, 1, 2, 1, 5, 3), FORMATS[1]),
        ('point_sample', (2, 4, 2, 3, 2, None, 2), FORMATS[0]),
        ('point_sample', (1, 6, 1, 1, 3, None, 3), FORMATS[1]),
        ('point_sample', (1, 2, 1, 1, 1, None, 4), FORMATS[0]),
        ('expand_kernels', (2, 4, 2, 3, 2, 3, 2), FORMATS[0]),
        ('expand_kernels', (1, 4, 1, 2, 1, 1, 3), FORMATS[1]),
        ('expand_and_reassemble', (2, 4, 1, 2, 2, 3, 2), FORMATS[0]),
        ('expand_and_reassemble', (1, 3, 2, 1, 1, 1, 3), FORMATS[1]),
        ('expand_and_reassemble', (1, 2, 1, 1, 1, 5, 1), FORMATS[0]),
    ],
)
def test_equals_plain_loops_forward_and_backward(op, sizes, memory_format, device):
    run, args = make(op, *sizes, dtype=torch.float64, device=device)
    check_against_plain_loops(run, in_format(args, memory_format))


@pytest.mark.parametrize('op', OPS)
@pytest.mark.parametrize('memory_format', FORMATS)
def test_neither_blocks_nor_wide_offsets_show(op, memory_format, device, monkeypatch):
    from mmdyup.ops.triton_tools import launch, spread

    for name, value in dict(
        _COLUMNS=(2,),
        _THREADS=4,
        _MAX_CHANNELS=2,
        _SAMPLED_CHANNELS=2,
        _MIN_CHANNELS=2,
        _MAX_WEIGHTS=18,
        _WIDE=0,
    ).items():
        monkeypatch.setattr(launch, name, value)
    monkeypatch.setattr(spread, '_ELEMENTS', {})
    monkeypatch.setattr(spread, '_FEW_ELEMENTS', 4)
    monkeypatch.setattr(spread, '_ROWS', 1)
    rows = 1 if op == 'expand_and_reassemble' else 2  # which takes the interpreter long
    run, args = make(op, 1, 3, rows, 3, 1, 3, 2, dtype=torch.float64, device=device)
    check_against_plain_loops(run, in_format(args, memory_format))


def test_programs_that_are_many_do_not_share_channels(device, monkeypatch):
    from mmdyup.ops.triton_tools import launch

    monkeypatch.setattr(launch, '_MANY_PROGRAMS', 1)
    run, args = make('carafe', 1, 3, 1, 2, 1, 3, 2, dtype=torch.float64, device=device)
    check_against_plain_loops(run, in_format(args, FORMATS[0]))


@pytest.mark.parametrize('op', OPS)
@pytest.mark.parametrize(
    'dtype, memory_format',
    [(torch.float16, FORMATS[0]), (torch.bfloat16, FORMATS[1]), (torch.float32, FORMATS[1])],
)
def test_dtype_and_memory_format_are_the_callers(op, dtype, memory_format, device):
    run, args = make(op, 1, 4, 1, 2, 2, 3, 2, device=device)
    args = in_format([t.to(dtype) for t in args], memory_format)
    y = run(*args, backend='triton')
    assert y.dtype == dtype and y.is_contiguous(memory_format=memory_format)
    wide = [t.detach().double().requires_grad_() for t in args]
    expected = run(*wide, backend='reference')
    close = partial(torch.testing.assert_close, rtol=2 * torch.finfo(dtype).eps, atol=2e-5)
    close(y.double(), expected)
    grad = torch.randn_like(y)
    for got, wanted in zip(
        torch.autograd.grad(y, args, grad),
        torch.autograd.grad(expected, wide, grad.double()),
        strict=True,
    ):
        assert got.dtype == dtype
        close(got.double(), wanted)


def test_half_precision_keeps_positions(device, monkeypatch):
    from mmdyup.ops.triton_tools import launch
    from mmdyup.upsamplers.dysample import bilinear_start

    width = 4096
    monkeypatch.setattr(launch, '_COLUMNS', (2 * width,))
    x = torch.randn(1, 1, 1, width, device=device).half()
    o = bilinear_start(2, 1).to(device).expand(1, -1, 1, width)
    torch.testing.assert_close(
        point_sample(x, o, backend='triton'),
        point_sample(x.double(), o.double(), backend='native').half(),
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize('op', OPS)
def test_any_strides(op, device):
    run, args = make(op, 1, 2, 2, 2, 1, 3, 1, dtype=torch.float64, device=device)
    gaps = [torch.stack((t, t), -1)[..., 0].mT.contiguous().mT.requires_grad_() for t in args]
    gaps[0] = torch.stack((args[0], args[0]), -1)[..., 0].requires_grad_()
    y = run(*gaps, backend='triton')
    torch.testing.assert_close(y, run(*args, backend='reference'))
    # the gradient of a sum has no strides at all
    args = [t.requires_grad_() for t in args]
    torch.testing.assert_close(
        torch.autograd.grad(y.sum(), gaps),
        torch.autograd.grad(run(*args, backend='reference').sum(), args),
    )


def test_a_start_with_gaps_in_memory(device):
    x, o = make('point_sample', 1, 2, 2, 3, 1, None, 2, device=device)[1]
    start = torch.randn(1, 16, 1, 1, device=device)[:, ::2]
    y, expected = (
        point_sample(x, o, backend=backend, start=start) for backend in ('triton', 'reference')
    )
    torch.testing.assert_close(y, expected)


def test_offsets_expanded_over_the_map(device):
    x, _ = make('point_sample', 1, 2, 2, 3, 1, None, 1, device=device)[1]
    o = torch.full((1, 2, 1, 1), 0.25, device=device, requires_grad=True)
    y, expected = (
        point_sample(x, o.expand(1, 2, 2, 3), 1, backend=backend)
        for backend in ('triton', 'reference')
    )
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(
        torch.autograd.grad(y.sum(), o), torch.autograd.grad(expected.sum(), o)
    )


@pytest.mark.parametrize('op', OPS)
def test_empty_batch(op, device):
    run, args = make(op, 0, 4, 2, 3, 1, 3, 2, device=device, requires_grad=True)
    y = run(*args, backend='triton')
    assert y.shape == (0, 4, 4, 6)
    y.sum().backward()
    assert all(t.grad.shape == t.shape for t in args)


def test_a_nan_stays_in_its_neighbourhood(device):
    run, (x, m) = make('carafe', 1, 2, 4, 4, 1, 3, 1, device=device)
    x[0, 0, 1, 1] = torch.nan
    bad = torch.zeros_like(x, dtype=torch.bool)
    bad[0, 0, :3, :3] = True
    assert torch.equal(run(x, m, backend='triton').isnan(), bad)
    x = torch.ones_like(x, requires_grad=True)
    m.requires_grad_()
    grad = torch.ones_like(x)
    grad[0, 0, 0, 0] = torch.nan
    args = dict(outputs=run(x, m, backend='triton'), inputs=(x, m), grad_outputs=grad)
    expected = args | dict(outputs=run(x, m, backend='reference'))
    torch.testing.assert_close(
        torch.autograd.grad(**args), torch.autograd.grad(**expected), equal_nan=True
    )


def test_a_gradient_that_is_not_a_number_stays_with_the_pixels_read(device):
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, device=device, requires_grad=True)
    o = torch.full((1, 2, 4, 4), 0.25, dtype=torch.float64, device=device, requires_grad=True)
    grad = torch.ones_like(x)
    grad[0, 0, 1, 1] = torch.nan
    got, expected = (
        torch.autograd.grad(point_sample(x, o, 1, backend=backend), (x, o), grad)
        for backend in ('triton', 'reference')
    )
    torch.testing.assert_close(got, expected, equal_nan=True)
    assert got[0].isnan().sum() == 4


def test_offsets_far_outside_or_not_numbers(device):
    x = torch.randn(1, 1, 2, 3, device=device)
    o = torch.zeros(1, 2, 2, 3, device=device)
    o[0, :, 0, 0] = 1e30
    o[0, :, 0, 1] = -torch.inf
    o[0, :, 0, 2] = torch.nan
    o[0, :, 1, 1] = torch.inf
    y = point_sample(x, o, 1, backend='triton')
    expected = x.clone()
    expected[0, 0, 0] = torch.stack([x[0, 0, 1, 2], x[0, 0, 0, 0], x[0, 0, 0, 0]])
    expected[0, 0, 1, 1] = x[0, 0, 1, 2]
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize('op', OPS)
def test_autocast_leaves_it_alone(op, device):
    run, args = make(op, 1, 2, 2, 2, 1, 3, 2, device=device)
    expected = run(*args, backend='triton')
    with torch.autocast(device, torch.bfloat16):
        assert torch.equal(run(*args, backend='triton'), expected)


@pytest.mark.parametrize('op', OPS)
def test_what_is_not_deterministic_says_so(op, device):
    run, args = make(op, 1, 2, 1, 2, 1, 3, 2, device=device, requires_grad=True)
    torch.use_deterministic_algorithms(True)
    try:
        y = run(*args, backend='triton')
        if op.startswith('carafe'):
            y.sum().backward()
        else:
            with pytest.raises(RuntimeError, match='does not have a deterministic implementation'):
                y.sum().backward()
            torch.use_deterministic_algorithms(True, warn_only=True)
            with pytest.warns(UserWarning, match='does not have a deterministic implementation'):
                run(*args, backend='triton').sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize('op', OPS)
def test_a_compiled_graph_holds_one_operator_and_gives_the_same(op, device):
    graphs = []

    def keep(graph, _):
        graphs.append(graph)
        return graph

    run, args = make(op, 1, 2, 1, 2, 1, 3, 2, device=device)
    torch._dynamo.reset()
    compiled = torch.compile(partial(run, backend='triton'), fullgraph=True, backend=keep)
    torch.testing.assert_close(compiled(*args), run(*args, backend='triton'))
    calls = [
        str(node.target)
        for graph in graphs
        for node in graph.graph.nodes
        if node.op == 'call_function'
    ]
    assert sum(call.startswith('mmdyup.') for call in calls) == 1
    assert any(f'mmdyup.{PRIMITIVES[op][0]}.' in call for call in calls)


@pytest.mark.parametrize('op', OPS)
def test_registered_as_pytorch_asks(op, device):
    _, args = make(op, 1, 2, 1, 2, 1, 1, 2, device=device)
    others = (1, 1, 2)  # kernel size, groups, ratio
    if op.startswith('carafe'):
        others = (*others, op == 'carafe_of_logits', torch.float32, False)
    elif op == 'point_sample':
        args = (args[0], args[1].unflatten(1, (2, 1, 2, 2)))
        others = (torch.zeros(2, 1, 2, 2, device=device), 0.3, False)
    torch.library.opcheck(
        getattr(torch.ops.mmdyup, PRIMITIVES[op][0]).default,
        (*(t.detach().requires_grad_() for t in args), *others, 'triton'),
    )


ERRORS = [PTXASError('no such instruction.'), RuntimeError('Failed to find C compiler.')]


@pytest.mark.parametrize('op', ALL)
@pytest.mark.parametrize('error', ERRORS)
def test_what_the_variable_asks_for_gives_way_where_it_does_not_compile(
    op, error, device, monkeypatch
):
    calls = []

    def fail(*args, **constants):
        calls.append(args)
        raise error

    monkeypatch.setenv('MMDYUP_BACKEND', 'triton')
    for memory_format in FORMATS:
        run, args = make(op, 1, 4, 2, 3, 1, 3, 2, dtype=torch.float64, device=device)
        args = in_format(args, memory_format)
        with warnings.catch_warnings(record=True) as caught, intercept_launches(fail):
            warnings.simplefilter('always')
            y, expected = run(*args), run(*args, backend='reference')
            torch.testing.assert_close(y, expected)
            grad = torch.randn_like(y)
            torch.testing.assert_close(
                torch.autograd.grad(y, args, grad), torch.autograd.grad(expected, args, grad)
            )
        said = [str(w.message) for w in caught if 'Triton cannot compile' in str(w.message)]
        # each operator, the first time alone
        names = PRIMITIVES[op] if memory_format == FORMATS[0] else []
        assert [text.split()[3] for text in said] == names
        assert all(str(error) in text and 'run instead' in text for text in said)
    assert len(calls) == len(PRIMITIVES[op])


@pytest.mark.parametrize('error', ERRORS)
def test_what_is_asked_for_by_name_raises_where_it_does_not_compile(error, device):
    def fail(*args, **constants):
        raise error

    run, args = make('carafe', 1, 2, 2, 2, 1, 3, 2, device=device)
    with (
        intercept_launches(fail),
        pytest.raises(RuntimeError, match=r'Triton cannot compile reassemble here: .*auto'),
    ):
        run(*args, backend='triton')


def test_an_error_that_is_not_the_compilers_is_not_hidden(device, monkeypatch):
    def fail(*args, **constants):
        raise RuntimeError('CUDA error: an illegal memory access was encountered')

    monkeypatch.setenv('MMDYUP_BACKEND', 'triton')
    run, args = make('carafe', 1, 2, 2, 2, 1, 3, 2, device=device)
    with intercept_launches(fail), pytest.raises(RuntimeError, match='illegal memory access'):
        run(*args)
