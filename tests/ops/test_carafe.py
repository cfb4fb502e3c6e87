import functools
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck
from torch.utils.flop_counter import FlopCounterMode

from mmdyup.ops import carafe, neighborhood_scores
from mmdyup.ops.reassembly import native
from mmdyup.testing import needs_opcheck, needs_operators_in_graphs

# n, c, h, w, groups, k, s
CASES = [
    (2, 4, 3, 4, 2, 3, 2),
    (1, 3, 1, 1, 1, 5, 3),
    (1, 4, 5, 1, 4, 7, 1),
    (1, 6, 2, 7, 3, 1, 2),
    (1, 2, 2, 1, 1, 3, 16),
]

FORMATS = [torch.contiguous_format, torch.channels_last]

pytestmark = pytest.mark.usefixtures('way')


def inputs(n, c, h, w, groups, k, s, **options):
    return (
        torch.randn(n, c, h, w, **options),
        torch.randn(n, groups * k * k, s * h, s * w, **options),
    )


@pytest.mark.parametrize('n, c, h, w, groups, k, s', CASES)
def test_equals_plain_loops_forward_and_backward(n, c, h, w, groups, k, s, device):
    x, m = inputs(n, c, h, w, groups, k, s, dtype=torch.float64, device=device, requires_grad=True)
    y = carafe(x, m, groups, s)
    expected = carafe(x, m, groups, s, backend='reference')
    torch.testing.assert_close(y, expected)
    grad = torch.randn_like(y)
    torch.testing.assert_close(
        torch.autograd.grad(y, (x, m), grad), torch.autograd.grad(expected, (x, m), grad)
    )


def test_by_hand():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)
    m = torch.zeros(1, 9, 4, 4)
    m[:, 4] = 1  # the centre: nearest upsampling
    torch.testing.assert_close(carafe(x, m), F.interpolate(x, scale_factor=2))
    m = torch.zeros(1, 9, 4, 4)
    m[:, 5] = 1  # the right neighbour, 0 outside
    torch.testing.assert_close(carafe(x, m)[0, 0, 1], torch.tensor([2.0, 2.0, 0.0, 0.0]))
    m = torch.zeros(1, 9, 4, 4)
    m[:, 1] = 1  # the neighbour above
    torch.testing.assert_close(carafe(x, m)[0, 0, 2], torch.tensor([1.0, 1.0, 2.0, 2.0]))


@pytest.mark.parametrize('way', ['native'], indirect=True)
@pytest.mark.parametrize('block_bytes', [1, 60000, 1 << 21])
def test_blocks_do_not_show(block_bytes, monkeypatch):
    monkeypatch.setattr(native, '_CPU_BYTES', block_bytes)
    x, m = inputs(2, 4, 5, 7, 2, 5, 2, dtype=torch.float64, requires_grad=True)
    y = carafe(x, m, 2, backend='native')
    expected = carafe(x, m, 2, backend='reference')
    torch.testing.assert_close(y, expected)
    grad = torch.randn_like(y)
    torch.testing.assert_close(
        torch.autograd.grad(y, (x, m), grad), torch.autograd.grad(expected, (x, m), grad)
    )


@functools.cache
def work(n, c, h, w, groups, k, s):
    """Feature, kernels and a gradient, and what the loops make of them."""
    x, m = inputs(n, c, h, w, groups, k, s, dtype=torch.float64, requires_grad=True)
    y = carafe(x, m, groups, s, backend='reference')
    grad = torch.randn_like(y)
    return (x, m, grad), y, torch.autograd.grad(y, (x, m), grad)


@pytest.mark.parametrize('way', ['cpp'], indirect=True)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('format_x', FORMATS)
@pytest.mark.parametrize('format_m', FORMATS)
@pytest.mark.parametrize('threads', [1, 3, 9])
@pytest.mark.parametrize(
    'n, c, h, w, groups, k, s',
    [
        (1, 150, 2, 9, 1, 3, 2),
        (3, 34, 2, 6, 2, 5, 1),
        (1, 64, 3, 2, 1, 7, 3),
        (2, 5, 2, 19, 1, 9, 1),
    ],
)
def test_every_split_of_the_work(
    n, c, h, w, groups, k, s, threads, format_m, format_x, dtype, set_threads
):
    """Blocks of channels, tiles of columns and shares of threads that do not come out even."""
    (x, m, grad), expected, expected_gradients = work(n, c, h, w, groups, k, s)
    with set_threads(threads):
        y = carafe(
            x.to(dtype, memory_format=format_x), m.to(dtype, memory_format=format_m), groups, s
        )
        gradients = torch.autograd.grad(y, (x, m), grad.to(y))
    close = dict(atol=1e-3, rtol=1e-3) if dtype == torch.float32 else {}
    torch.testing.assert_close(y.double(), expected, **close)
    torch.testing.assert_close(gradients, expected_gradients, **close)


@pytest.mark.parametrize('groups, k, s', [(1, 5, 2), (2, 3, 3)])
def test_gradcheck(groups, k, s):
    x, m = inputs(1, 4, 3, 2, groups, k, s, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x, m: carafe(x, m, groups, s), (x, m), fast_mode=True)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('memory_format', FORMATS)
def test_dtype_and_memory_format_are_the_callers(dtype, memory_format, device):
    x, m = inputs(2, 8, 6, 5, 1, 5, 2, device=device)
    x = x.to(dtype, memory_format=memory_format)
    m = m.softmax(1)
    y = carafe(x, m)
    assert y.dtype == dtype and y.is_contiguous(memory_format=memory_format)
    expected = carafe(x.double(), m.double(), backend='reference')
    torch.testing.assert_close(y.double(), expected, rtol=torch.finfo(dtype).eps, atol=1e-6)
    for other in FORMATS:
        z = carafe(x, m, memory_format=other)
        assert z.is_contiguous(memory_format=other)
        torch.testing.assert_close(z, y)


@pytest.mark.parametrize('groups, backend', [(1, 'auto'), (2, 'auto'), (2, 'reference')])
def test_softmax_makes_kernels_of_logits(groups, backend):
    x, logits = inputs(1, 4, 3, 2, groups, 3, 2, dtype=torch.float64, requires_grad=True)
    kernels = torch.cat([part.softmax(1) for part in logits.chunk(groups, 1)], 1)
    y = carafe(x, logits, groups, backend=backend, softmax=True)
    torch.testing.assert_close(y, carafe(x, kernels, groups))
    torch.testing.assert_close(
        torch.autograd.grad(y.square().sum(), (x, logits)),
        torch.autograd.grad(carafe(x, kernels, groups).square().sum(), (x, logits)),
    )


def test_half_precision_sums_in_float32():
    # summed term by term in bfloat16 these 25 come to 0.984 instead of 1
    x = torch.ones(1, 1, 5, 5, dtype=torch.bfloat16)
    m = torch.ones(1, 25, 5, 5, dtype=torch.bfloat16) * 0.04
    y = carafe(x, m, scale_factor=1)
    assert y[0, 0, 2, 2] == (m[0, :, 2, 2].float().sum()).to(torch.bfloat16)


def test_empty_batch(device):
    x, m = inputs(0, 4, 3, 3, 1, 5, 2, device=device, requires_grad=True)
    y = carafe(x, m)
    assert y.shape == (0, 4, 6, 6)
    y.sum().backward()
    assert x.grad.shape == x.shape and m.grad.shape == m.shape


def test_a_nan_stays_in_its_neighbourhood():
    x, m = inputs(1, 2, 9, 9, 1, 3, 2)
    x[0, 0, 4, 4] = torch.nan
    y = carafe(x, m)
    bad = torch.zeros(1, 2, 18, 18, dtype=torch.bool)
    bad[0, 0, 6:12, 6:12] = True
    assert torch.equal(y.isnan(), bad)


def test_non_contiguous_inputs():
    x, m = inputs(1, 4, 6, 5, 1, 3, 2)
    wide = torch.randn(1, 4, 6, 10)
    wide[..., ::2] = x
    m_transposed = m.transpose(2, 3).contiguous().transpose(2, 3)
    torch.testing.assert_close(carafe(wide[..., ::2], m_transposed), carafe(x, m))


@pytest.mark.slow
@pytest.mark.parametrize('memory_format', FORMATS)
def test_a_compiled_graph_gives_the_same(memory_format, check_compiled):
    check_compiled(
        lambda x, m: carafe(x, m, 2),
        lambda h, w: inputs(2, 4, h, w, 2, 3, 2, requires_grad=True),
        memory_format,
    )


class Reassembly(torch.nn.Module):
    def forward(self, x, m):
        return carafe(x, m)


def holds_our_operator(graph_module):
    return any('mmdyup' in str(node.target) for node in graph_module.graph.nodes)


@needs_operators_in_graphs
@pytest.mark.slow
def test_a_compiled_graph_holds_the_operator_an_exported_one_does_not():
    x, m = inputs(1, 4, 3, 5, 1, 3, 2)
    graphs = []
    compiled = torch.compile(
        Reassembly(), fullgraph=True, backend=lambda graph, _: graphs.append(graph) or graph
    )
    torch.testing.assert_close(compiled(x, m), carafe(x, m))
    assert [holds_our_operator(graph) for graph in graphs] == [True]
    for strict in (False, True):
        exported = torch.export.export(Reassembly(), (x, m), strict=strict)
        assert not holds_our_operator(exported.graph_module)


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
@pytest.mark.parametrize('groups', [1, 2])
def test_a_traced_graph_is_one_product_for_any_size(groups):
    def run(x, m):
        return carafe(x, m, groups)

    traced = torch.jit.trace(run, inputs(1, 4, 3, 5, groups, 3, 2))
    kinds = [node.kind() for node in traced.graph.nodes()]
    assert kinds.count('aten::matmul') == 1 and not any('mmdyup' in kind for kind in kinds)
    x, m = inputs(2, 4, 6, 4, groups, 3, 2)
    torch.testing.assert_close(traced(x, m), run(x, m))


@needs_opcheck
@pytest.mark.slow
def test_the_operator_is_registered_as_pytorch_asks(way):
    x, m = inputs(2, 4, 3, 5, 2, 3, 2, requires_grad=True)
    y = torch.randn(2, 4, 6, 10, requires_grad=True)
    about = (torch.float32, False, way)
    for op, args in {
        'reassemble': (x, m, 3, 2, 2, False, *about),
        'scores': (x, y, 3, 2, 2, *about),
        'spread': (m, y, 3, 2, 2, *about),
    }.items():
        torch.library.opcheck(getattr(torch.ops.mmdyup, op).default, args)


@pytest.mark.slow
def test_gradients_of_gradients(way):
    """The three contractions are each other's gradients, to any order."""
    x, m = inputs(1, 4, 2, 3, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    y = torch.randn(1, 4, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x, m: carafe(x, m, 2), (x, m))
    assert torch.autograd.gradgradcheck(lambda x, m: carafe(x, m, 2, softmax=True), (x, m))
    assert torch.autograd.gradgradcheck(lambda y, x: neighborhood_scores(y, x, 3), (y, x))


def test_counters_of_operations_know_it(way):
    x, m = inputs(1, 4, 2, 3, 2, 3, 2, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        carafe(x, m, 2).sum().backward()
    assert counter.get_total_flops() == 3 * 2 * 9 * (4 * 4 * 6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="mmcv's operator needs a CUDA device")
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16])
def test_mmcv_gives_the_same_numbers(dtype):
    x, m = inputs(2, 8, 6, 7, 2, 5, 2, dtype=dtype, device='cuda', requires_grad=True)
    y, expected = carafe(x, m, 2, backend='mmcv'), carafe(x, m, 2, backend='native')
    tolerance = dict(rtol=10 * torch.finfo(dtype).eps, atol=30 * torch.finfo(dtype).eps)
    torch.testing.assert_close(y, expected, **tolerance)
    grad = torch.randn_like(y)
    for a, b in zip(
        torch.autograd.grad(y, (x, m), grad),
        torch.autograd.grad(expected, (x, m), grad),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=tolerance['rtol'], atol=10 * tolerance['atol'])


_PEAK = """
import resource, torch
from mmdyup.ops import carafe
torch.set_num_threads(1)
carafe(torch.randn(1, 8, 8, 8), torch.randn(1, 25, 16, 16))
x, m = torch.randn(1, 256, 120, 120), torch.randn(1, 25, 240, 240)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
y = carafe(x, m)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024 - y.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='peak memory is counted in kilobytes on Linux')
def test_memory_beyond_input_and_output():
    run = subprocess.run([sys.executable, '-c', _PEAK], capture_output=True, text=True, check=True)
    # mmcv may have told something before
    assert int(run.stdout.split()[-1]) < 100e6  # unfolding at the upsampled size takes 1.5 GB


def fail(kind, match, *args, **kwargs):
    with pytest.raises(kind, match=match):
        carafe(*args, **kwargs)


def test_errors_say_what_to_do():
    x, m = inputs(1, 4, 3, 3, 1, 5, 2)
    fail(TypeError, 'must be a tensor', 1, m)
    fail(TypeError, 'floating-point', x.long(), m)
    fail(ValueError, r'\(N, C, H, W\)', x[0], m)
    fail(ValueError, '24 is not 1 times an odd square', x, m[:, :24])
    fail(ValueError, '16 is not 1 times an odd square', x, m[:, :16])
    fail(ValueError, r'must have the shape \(1, 25, 6, 6\)', x, m[..., :5])
    fail(ValueError, 'groups=3 must divide the 4 channels', x, m, groups=3)
    fail(ValueError, 'scale_factor must be at least 1', x, m, scale_factor=0)
    fail(TypeError, 'scale_factor must be an integer', x, m, scale_factor=2.0)
    fail(ValueError, 'backend must be one of auto, mmcv, cpp, native', x, m, backend='cuda')
    fail(ValueError, 'CUDA code only', x, m, backend='mmcv')
    fail(ValueError, 'at least one channel', x[..., :0], m)
