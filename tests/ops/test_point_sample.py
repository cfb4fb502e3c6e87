import functools
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from benchmarks.memory import peak_bytes
from mmdyup.ops import point_sample
from mmdyup.ops.sampling import sample_backward
from mmdyup.testing import needs_opcheck, needs_operators_in_graphs
from mmdyup.upsamplers.dysample import bilinear_start

# n, c, h, w, groups, s
CASES = [(2, 4, 3, 4, 2, 2), (1, 3, 1, 1, 3, 3), (1, 4, 5, 1, 1, 1), (1, 8, 2, 3, 4, 4)]

FORMATS = [torch.contiguous_format, torch.channels_last]

pytestmark = pytest.mark.usefixtures('way')


def inputs(n, c, h, w, groups, s, spread=3.0, requires_grad=False, **options):
    x = torch.randn(n, c, h, w, **options)
    o = spread * torch.randn(n, 2 * groups * s * s, h, w, **options)
    return x.requires_grad_(requires_grad), o.requires_grad_(requires_grad)


@pytest.fixture(params=FORMATS)
def memory_format(request):
    return request.param


@pytest.mark.parametrize('n, c, h, w, groups, s', CASES)
def test_equals_plain_loops(n, c, h, w, groups, s, device):
    x, o = inputs(n, c, h, w, groups, s, dtype=torch.float64, device=device, requires_grad=True)
    start = torch.randn(1, o.shape[1], 1, 1, device=device)
    for options in [dict(), dict(scale=0.3), dict(scale=-2, start=start)]:
        expected = point_sample(x, o, s, groups, 'reference', **options)
        grad = torch.randn_like(expected)
        gradients = torch.autograd.grad(expected, (x, o), grad)
        for memory_format in FORMATS:
            y = point_sample(x.to(memory_format=memory_format), o, s, groups, **options)
            torch.testing.assert_close(y, expected)
            torch.testing.assert_close(torch.autograd.grad(y, (x, o), grad), gradients)


@pytest.mark.parametrize('n, c, h, w, groups, s', CASES)
def test_gradcheck(n, c, h, w, groups, s, memory_format):
    x, o = inputs(n, c, h, w, groups, s, spread=0.3, dtype=torch.float64)
    # central differences need a function that is smooth: keep clear of the pixel centres
    o = torch.where(o.frac().abs() < 0.05, o + 0.1, o)
    assert gradcheck(
        lambda x, o: point_sample(x.to(memory_format=memory_format), o, s, groups, scale=0.7),
        (x.requires_grad_(), o.requires_grad_()),
        fast_mode=True,
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.float64])
@pytest.mark.parametrize('n, c, h, w, groups, s', [*CASES, (1, 40, 6, 5, 1, 2)])
def test_a_gradient_that_is_not_needed_is_not_made(
    n, c, h, w, groups, s, dtype, memory_format, way, set_threads
):
    x, o = inputs(n, c, h, w, groups, s)
    x, o = x.to(dtype, memory_format=memory_format), o.unflatten(1, (2, groups, s, s))
    grad = torch.randn(n, c, s * h, s * w).to(dtype, memory_format=memory_format)
    given = x, grad, o, None, 0.7
    with set_threads(2):
        grads = sample_backward(*given, [True, True], way)
        for needed in itertools.product([False, True], repeat=2):
            some = sample_backward(*given, needed, way)
            for one, is_needed, expected in zip(some, needed, grads, strict=True):
                torch.testing.assert_close(one, expected if is_needed else expected.new_empty(0))


@pytest.mark.parametrize('asked', [0, 1])
def test_the_gradient_of_one_argument_alone(asked, memory_format):
    maps = inputs(*CASES[0], dtype=torch.float64, requires_grad=True)
    expected = torch.autograd.grad(point_sample(*maps, 2, 2, 'reference').square().sum(), maps)
    args = [z.detach().to(memory_format=memory_format) for z in maps]
    args[asked].requires_grad_()
    point_sample(*args, 2, 2).square().sum().backward()
    torch.testing.assert_close(args[asked].grad, expected[asked])
    assert args[1 - asked].grad is None


def test_the_start_is_a_constant():
    x, o = inputs(1, 4, 3, 3, 2, 2, requires_grad=True)
    start = torch.zeros(1, 16, 1, 1, requires_grad=True)
    point_sample(x, o, 2, 2, start=start).sum().backward()
    assert start.grad is None and o.grad.any()


def test_channel_order_by_hand():
    x = torch.arange(12.0).view(1, 1, 3, 4).repeat(1, 2, 1, 1)
    o = torch.zeros(1, 2, 2, 4, 3, 4)  # coordinate, group, place
    o[0, 0, 1, 1] = 1  # second group, upper right place: one pixel to the right
    o[0, 1, 0, 2] = 1  # first group, lower left place: one pixel down
    y = point_sample(x, o.flatten(1, 3), 2, 2)
    nearest = F.interpolate(x, scale_factor=2)
    expected = nearest.clone()
    expected[0, 1, 0::2, 1::2] = x[0, 1, :, [1, 2, 3, 3]]
    expected[0, 0, 1::2, 0::2] = x[0, 0, [1, 2, 2]]
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize('s', [1, 2, 3, 4])
def test_the_start_is_bilinear_interpolation(s, memory_format, device):
    x = torch.randn(2, 8, 9, 13, dtype=torch.float64, device=device)
    o = torch.zeros(2, 8 * s * s, 9, 13, device=device)
    torch.testing.assert_close(
        point_sample(x.to(memory_format=memory_format), o, s, 4, start=bilinear_start(s, 4).to(x)),
        F.interpolate(x, scale_factor=s, mode='bilinear', align_corners=False),
        atol=1e-6,
        rtol=1e-6,
    )  # the start itself is float32


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('width', [128, 1024, 2048, 4096])
def test_half_precision_keeps_positions(dtype, width, memory_format, device):
    x = torch.randn(1, 4, 2, width, device=device).to(dtype, memory_format=memory_format)
    o = bilinear_start(2, 1).to(x).expand(1, -1, 2, width)
    y = point_sample(x, o, 2, 1)
    expected = F.interpolate(x.double(), scale_factor=2, mode='bilinear', align_corners=False)
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), expected, rtol=torch.finfo(dtype).eps, atol=2e-3)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_dtype_and_memory_format_are_the_callers(dtype, memory_format, device):
    x, o = inputs(2, 8, 4, 6, 2, 2, dtype=dtype, device=device)
    feature = x.to(memory_format=memory_format).requires_grad_()
    y = point_sample(feature, o.requires_grad_(), 2, 2)
    assert y.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(y, point_sample(x.double(), o.double(), 2, 2).to(dtype))
    y.sum().backward()
    assert (feature.grad.dtype, o.grad.dtype) == (dtype, dtype)
    assert feature.grad.is_contiguous(memory_format=memory_format)
    for other in FORMATS:
        z = point_sample(feature, o, 2, 2, memory_format=other)
        assert z.is_contiguous(memory_format=other)
        torch.testing.assert_close(z, y)
        gradients = torch.autograd.grad(z.sum(), (feature, o))
        torch.testing.assert_close(gradients, (feature.grad, o.grad))


@functools.cache
def work(n, c, h, w, groups, s):
    """Feature, offsets and a gradient, and what the loops make of them."""
    x, o = inputs(n, c, h, w, groups, s, dtype=torch.float64, requires_grad=True)
    y = point_sample(x, o, s, groups, 'reference')
    grad = torch.randn_like(y)
    return (x, o, grad), y, torch.autograd.grad(y, (x, o), grad)


@pytest.mark.parametrize('way', ['cpp'], indirect=True)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('threads', [1, 3, 9])
@pytest.mark.parametrize(
    'n, c, h, w, groups, s',
    [(1, 150, 3, 9, 1, 2), (3, 34, 2, 6, 2, 3), (1, 64, 7, 8, 1, 4), (2, 5, 3, 37, 1, 1)],
)
def test_every_split_of_the_work(n, c, h, w, groups, s, threads, dtype, memory_format, set_threads):
    """Blocks of channels, tiles of columns and shares of threads that do not come out even."""
    (x, o, grad), expected, expected_gradients = work(n, c, h, w, groups, s)
    with set_threads(threads):
        y = point_sample(x.to(dtype, memory_format=memory_format), o.to(dtype), s, groups)
        gradients = torch.autograd.grad(y, (x, o), grad.to(y))
    close = dict(atol=1e-3, rtol=1e-3) if dtype == torch.float32 else {}
    torch.testing.assert_close(y.double(), expected, **close)
    torch.testing.assert_close(gradients, expected_gradients, **close)


def test_any_strides():
    x, o = inputs(2, 8, 4, 6, 2, 2)
    expected = point_sample(x, o, 2, 2)
    gaps = [torch.stack((z, z), -1)[..., 0].mT.contiguous().mT for z in (x, o)]
    torch.testing.assert_close(point_sample(*gaps, 2, 2), expected)
    o = o[..., :1].expand(-1, -1, -1, 6).requires_grad_()
    assert torch.autograd.grad(point_sample(x, o, 2, 2).sum(), o)[0].shape == o.shape


def test_a_nan_stays_in_its_neighbourhood(memory_format):
    x = torch.randn(1, 2, 5, 5)
    x[0, 0, 2, 2] = torch.nan
    y = point_sample(x.to(memory_format=memory_format), torch.full((1, 8, 5, 5), 0.25), 2)
    bad = torch.zeros(1, 2, 10, 10, dtype=torch.bool)
    bad[0, 0, 2:6, 2:6] = True
    assert torch.equal(y.isnan(), bad)


def test_a_border_pixel_is_read_without_its_neighbour(memory_format):
    x = torch.randn(1, 2, 3, 3)
    x[..., 1, 1] = torch.inf
    y = point_sample(x.to(memory_format=memory_format), torch.full((1, 2, 3, 3), 9.0), 1)
    torch.testing.assert_close(y, x[..., -1:, -1:].expand_as(x))


def test_an_offset_that_is_not_a_number_harms_no_other(memory_format):
    x, o = inputs(1, 2, 3, 4, 1, 1)
    expected = point_sample(x, o, 1)
    expected[..., 1, 2] = x[..., 0, 0]
    o[0, :, 1, 2] = torch.nan
    x, o = x.to(memory_format=memory_format).requires_grad_(), o.requires_grad_()
    y = point_sample(x, o, 1)
    torch.testing.assert_close(y, expected)
    y.sum().backward()
    assert o.grad.isfinite().all() and not o.grad[..., 1, 2].any()


def test_empty_batch(memory_format, device):
    x, o = inputs(0, 4, 3, 3, 2, 2, device=device, requires_grad=True)
    y = point_sample(x.to(memory_format=memory_format), o, 2, 2)
    assert y.shape == (0, 4, 6, 6)
    y.sum().backward()
    assert x.grad.shape == x.shape and o.grad.shape == o.shape


def test_far_outside_reads_the_border(memory_format, device):
    x = torch.randn(1, 1, 3, 4, device=device).to(memory_format=memory_format)
    o = torch.full((1, 2, 3, 4), 1e4, device=device)
    torch.testing.assert_close(point_sample(x, o, 1), x[..., -1:, -1:].expand_as(x))


@pytest.mark.slow
def test_a_compiled_graph_gives_the_same(memory_format, check_compiled):
    check_compiled(
        lambda x, o: point_sample(x, o, 2, 2, scale=0.5),
        lambda h, w: inputs(2, 4, h, w, 2, 2, requires_grad=True),
        memory_format,
    )


class Sampling(torch.nn.Module):
    def forward(self, x, o, start):
        return point_sample(x, o, 2, 2, scale=0.5, start=start)


@needs_operators_in_graphs
@pytest.mark.slow
def test_a_compiled_graph_holds_the_operator_an_exported_one_does_not():
    args = (*inputs(1, 4, 3, 5, 2, 2), bilinear_start(2, 2))
    graphs = []
    compiled = torch.compile(
        Sampling(), fullgraph=True, backend=lambda graph, _: graphs.append(graph) or graph
    )
    torch.testing.assert_close(compiled(*args), Sampling()(*args))
    for strict in (False, True):
        exported = torch.export.export(Sampling(), args, strict=strict)
        torch.testing.assert_close(exported.module()(*args), Sampling()(*args))
        graphs.append(exported.graph_module)
    assert [
        any('mmdyup.sample' in str(node.target) for node in graph.graph.nodes) for graph in graphs
    ] == [True, False, False]


@needs_opcheck
@pytest.mark.slow
def test_the_operator_is_registered_as_pytorch_asks(memory_format, way):
    x, o = inputs(2, 4, 3, 5, 2, 2)
    args = (
        x.to(memory_format=memory_format).requires_grad_(),
        o.unflatten(1, (2, 2, 2, 2)).requires_grad_(),
    )
    for start in (None, torch.randn(2, 2, 2, 2)):
        last = memory_format == torch.channels_last
        args_ = (*args, start, 0.5, last, way)
        torch.library.opcheck(torch.ops.mmdyup.sample.default, args_)


def test_memory_beyond_input_and_output(memory_format, way):
    x, o = inputs(1, 256, 24, 24, 4, 2, requires_grad=True)
    x = x.detach().to(memory_format=memory_format).requires_grad_()
    y = point_sample(x, o, 2, 4)
    # PyTorch's grid_sample writes contiguous
    copies = way == 'native' and memory_format == torch.channels_last
    assert peak_bytes(lambda: point_sample(x, o, 2, 4), 'cpu') < (1.3 + copies) * y.nbytes
    assert (
        peak_bytes(lambda: torch.autograd.grad(y, (x, o), y.detach(), retain_graph=True), 'cpu')
        < (1.1 + copies) * y.nbytes
    )


def test_errors_say_what_to_do():
    x, o = inputs(1, 4, 3, 3, 2, 2)
    for kind, match, args in [
        (ValueError, r'shape \(1, 16, 3, 3\)', (x, o[:, :8], 2, 2)),
        (ValueError, 'groups=3', (x, o, 2, 3)),
        (TypeError, 'scale_factor must be an integer', (x, o, '2', 2)),
        (TypeError, 'offsets must be a floating', (x, o.int(), 2, 2)),
        (ValueError, 'backend must be one of auto, cpp, native', (x, o, 2, 2, 'mmcv')),
        (TypeError, 'scale must be a number', (x, o, 2, 2, 'auto', torch.ones(()))),
        (ValueError, r'start must have the shape \(1, 16, 1, 1\)', (x, o, 2, 2, 'auto', 1.0, o)),
    ]:
        with pytest.raises(kind, match=match):
            point_sample(*args)
