import itertools

import pytest
import torch
from torch.autograd import gradcheck

from benchmarks.memory import peak_bytes
from mmdyup.ops import attend
from mmdyup.ops.attention import collect_backward
from mmdyup.testing import needs_opcheck, needs_operators_in_graphs

# n, d, c, h, w, s, groups, heads, points
CASES = [
    (2, 8, 12, 3, 4, 2, 4, 4, 3),
    (1, 6, 4, 2, 5, 2, 2, 1, 9),
    (1, 4, 8, 3, 2, 1, 4, 2, 1),
    (1, 1, 1, 1, 1, 3, 1, 1, 4),
]
FORMATS = [torch.contiguous_format, torch.channels_last]

pytestmark = pytest.mark.usefixtures('way')


@pytest.fixture(params=FORMATS)
def memory_format(request):
    return request.param


def inputs(n, d, c, h, w, s, groups, heads, points, dtype=torch.float64, device='cpu'):
    """Query, key, value, positions and bias; every fourth position or so is outside."""
    size = torch.tensor([w, h], dtype=dtype).view(2, 1, 1)
    positions = torch.rand(n, groups * points, 2, s * h, s * w, dtype=dtype) * (size + 2) - 1.5
    # central differences need a function that is smooth: keep clear of the pixel centres
    positions = torch.where((positions - positions.round()).abs() < 0.05, 0.5, positions)
    maps = (
        torch.randn(n, d, s * h, s * w, dtype=dtype),
        torch.randn(n, d, h, w, dtype=dtype),
        torch.randn(n, c, h, w, dtype=dtype),
        positions.flatten(1, 2),
        torch.randn(n, heads * points, s * h, s * w, dtype=dtype),
    )
    return [z.to(device).requires_grad_() for z in maps]


def run(maps, groups, heads, backend='auto'):
    *maps, bias = maps
    return attend(*maps, groups, heads, bias, backend)


@pytest.mark.parametrize('case', CASES, ids=str)
def test_equals_plain_loops(case, memory_format, device):
    maps = inputs(*case, device=device)
    *_, groups, heads, _ = case
    y = run([z.to(memory_format=memory_format) for z in maps], groups, heads)
    expected = run(maps, groups, heads, 'reference')
    torch.testing.assert_close(y, expected)
    grad = torch.randn_like(y)
    torch.testing.assert_close(
        torch.autograd.grad(y, maps, grad), torch.autograd.grad(expected, maps, grad)
    )


@pytest.mark.parametrize('case', CASES, ids=str)
def test_gradcheck(case, memory_format):
    *_, groups, heads, _ = case
    maps = inputs(*case)
    assert gradcheck(
        lambda *z: run([m.to(memory_format=memory_format) for m in z], groups, heads),
        maps,
        fast_mode=True,
    )


def test_gradients_of_some_arguments_alone(memory_format):
    maps = inputs(*CASES[0])
    expected = torch.autograd.grad(run(maps, 4, 4, 'reference').square().sum(), maps)
    for some in itertools.product([False, True], repeat=5):
        if any(some):
            args = [
                z.detach().to(memory_format=memory_format).requires_grad_(is_needed)
                for z, is_needed in zip(maps, some, strict=True)
            ]
            run(args, 4, 4).square().sum().backward()
            for z, is_needed, grad in zip(args, some, expected, strict=True):
                torch.testing.assert_close(z.grad, grad if is_needed else None)


@pytest.mark.parametrize('dtype', [torch.float16, torch.float64])
def test_a_gradient_that_is_not_needed_is_not_made(dtype, memory_format, way):
    _, _, value, positions, weights = (
        z.detach().to(memory_format=memory_format) for z in inputs(*CASES[0])
    )
    value, grad = value.to(dtype), torch.randn(2, 12, 6, 8, dtype=dtype)
    grads = collect_backward(value, weights, positions, grad, 4, 4, [True] * 3, way)
    for needed in itertools.product([False, True], repeat=3):
        some = collect_backward(value, weights, positions, grad, 4, 4, needed, way)
        for one, is_needed, expected in zip(some, needed, grads, strict=True):
            torch.testing.assert_close(one, expected if is_needed else expected.new_empty(0))


def test_points_far_apart_and_points_together(memory_format):
    """More than a window of pixels around a position, and all of a map at once."""
    maps = inputs(1, 4, 6, 9, 10, 1, 2, 1, 9)
    with torch.no_grad():
        maps[3][..., ::2] = maps[3][..., ::2] % 3
    y = run([z.to(memory_format=memory_format) for z in maps], 2, 1)
    expected = run(maps, 2, 1, 'reference')
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(
        torch.autograd.grad(y.sum(), maps), torch.autograd.grad(expected.sum(), maps)
    )


def test_by_hand():
    """Two points of one head: one on a pixel, one between two."""
    value = torch.tensor([[1.0, 2, 3], [4, 5, 6]]).view(1, 1, 2, 3)
    query, key = torch.ones(1, 1, 2, 3), 10 * value
    positions = torch.tensor([1.0, 0, 1.5, 1]).view(1, 4, 1, 1).expand(1, 4, 2, 3)
    # logits 20 and 55
    a = torch.sigmoid(torch.tensor(-35.0))
    expected = (a * 2 + (1 - a) * 5.5).expand(1, 1, 2, 3)
    torch.testing.assert_close(attend(query, key, value, positions), expected)


def test_a_point_outside_keeps_its_share():
    value = torch.randn(1, 2, 3, 3)
    query = torch.zeros(1, 2, 3, 3)
    positions = torch.ones(1, 4, 3, 3)
    positions[:, 2:] = torch.tensor([-1.5, torch.nan, 1e30]).view(3, 1)
    y = attend(query, value, value, positions)
    torch.testing.assert_close(y, 0.5 * value[..., 1:2, 1:2].expand_as(y))
    # at the half of a pixel beyond the border, half of it is read
    y = attend(query, value, value, torch.full((1, 2, 3, 3), -0.5))
    torch.testing.assert_close(y, 0.25 * value[..., :1, :1].expand_as(y))


def test_a_position_that_is_not_a_number_has_no_gradient(memory_format):
    maps = inputs(*CASES[0], dtype=torch.float32)
    with torch.no_grad():
        maps[3][0, 0, 0, 0], maps[3][0, 1, 1, 0] = torch.nan, torch.inf
    y = run([z.to(memory_format=memory_format) for z in maps], 4, 4)
    grads = torch.autograd.grad(y.sum(), maps)
    assert all(z.isfinite().all() for z in (y, *grads))
    assert not grads[3][0, :2, 0, 0].any() and not grads[3][0, :2, 1, 0].any()


def test_infinity_stays_in_its_neighbourhood(memory_format):
    value = torch.randn(1, 2, 3, 3)
    value[..., 0, 0] = torch.inf
    query, key = torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3)
    y = attend(query, key, value.to(memory_format=memory_format), torch.full((1, 2, 3, 3), 2.5))
    torch.testing.assert_close(y, 0.25 * value[..., 2:, 2:].expand_as(y))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('width', [128, 2048])
def test_half_precision_keeps_positions(dtype, width, memory_format, device):
    x = torch.randn(1, 4, 2, width, device=device).to(dtype, memory_format=memory_format)
    columns = (torch.arange(2 * width, device=device) - 0.5) / 2
    positions = torch.stack(
        (columns.expand(4, -1), torch.arange(4, device=device)[:, None].expand(4, 2 * width) / 4)
    )[None]
    query = torch.zeros(1, 2, 4, 2 * width, device=device)
    y = attend(query, query[..., ::2, ::2], x, positions)
    expected = attend(query, query[..., ::2, ::2], x.double(), positions.double())
    assert y.dtype == dtype and y.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(y.double(), expected, rtol=torch.finfo(dtype).eps, atol=2e-3)


def test_any_mix_of_dtypes_formats_and_strides():
    maps = inputs(*CASES[0])
    expected = run(maps, 4, 4)
    gaps = [torch.stack((z, z), -1)[..., 0].mT.contiguous().mT for z in maps]
    torch.testing.assert_close(run(gaps, 4, 4), expected)
    last = [z.to(memory_format=torch.channels_last) for z in maps]
    for i in range(5):
        mixed = [*maps[:i], last[i], *maps[i + 1 :]]
        torch.testing.assert_close(run(mixed, 4, 4), expected)
        mixed[i] = maps[i].float()
        torch.testing.assert_close(run(mixed, 4, 4).double(), expected, atol=1e-4, rtol=1e-4)
    y = run([z.half() if i in (0, 1, 2, 4) else z.float() for i, z in enumerate(maps)], 4, 4)
    torch.testing.assert_close(y.double(), expected, atol=2e-2, rtol=2e-2)


def test_autocast_does_not_reach_inside(device):
    maps = [z.float() for z in inputs(*CASES[0], device=device)]
    with torch.autocast(device, torch.bfloat16):
        y = run(maps, 4, 4)
    torch.testing.assert_close(y, run(maps, 4, 4), rtol=1e-5, atol=1e-5)


def test_empty_batch(memory_format, device):
    maps = inputs(0, 4, 8, 3, 3, 2, 2, 1, 3, device=device)
    y = run([z.to(memory_format=memory_format) for z in maps], 2, 1)
    assert y.shape == (0, 8, 6, 6)
    grads = torch.autograd.grad(y.sum(), maps)
    assert all(a.shape == b.shape for a, b in zip(grads, maps, strict=True))


def test_a_second_gradient_is_refused():
    maps = inputs(*CASES[3])
    (grad,) = torch.autograd.grad(run(maps, 1, 1).sum(), maps[2], create_graph=True)
    with pytest.raises(NotImplementedError, match='SAPA-D, LDA-AQU.* differentiate once'):
        grad.sum().backward()


class Attention(torch.nn.Module):
    def forward(self, *maps):
        return run(maps, 4, 2)


@needs_operators_in_graphs
@pytest.mark.slow
def test_a_compiled_graph_holds_the_operators_an_exported_one_does_not():
    maps = [z.detach() for z in inputs(2, 8, 12, 3, 4, 2, 4, 2, 3)]
    graphs = []
    compiled = torch.compile(
        Attention(), fullgraph=True, backend=lambda graph, _: graphs.append(graph) or graph
    )
    torch.testing.assert_close(compiled(*maps), Attention()(*maps))
    for strict in (False, True):
        exported = torch.export.export(Attention(), tuple(maps), strict=strict)
        torch.testing.assert_close(exported.module()(*maps), Attention()(*maps))
        graphs.append(exported.graph_module)
    assert [
        any('mmdyup' in str(node.target) for node in graph.graph.nodes) for graph in graphs
    ] == [True, False, False]


@needs_opcheck
@pytest.mark.slow
def test_the_operators_are_registered_as_pytorch_asks(memory_format, way):
    query, key, value, positions, bias = (
        z.to(memory_format=memory_format).detach().requires_grad_() for z in inputs(*CASES[0])
    )
    weights = bias.detach().softmax(1)
    last = memory_format == torch.channels_last
    about = (4, 4, torch.float64, last, way)
    ops = torch.ops.mmdyup
    torch.library.opcheck(ops.compare.default, (query, key, positions, *about))
    maps = query, key, value, positions, bias, weights
    torch.library.opcheck(ops.attend.default, (*maps, *about))


def test_memory_beyond_input_and_output(memory_format, way):
    maps = inputs(1, 32, 64, 32, 32, 2, 2, 1, 9, dtype=torch.float32)[:4]
    maps = [z.detach().to(memory_format=memory_format).requires_grad_() for z in maps]
    y = attend(*maps, 2, 1)
    # 9 samples of every value would be 9 times y, and half of that for the keys
    most = 0.6 if way == 'cpp' else 2.8
    assert peak_bytes(lambda: attend(*maps, 2, 1), 'cpu') < (1 + most) * y.nbytes
    results = sum(z.nbytes for z in maps)
    peak = peak_bytes(lambda: torch.autograd.grad(y, maps, y.detach(), retain_graph=True), 'cpu')
    # the two gradients of the positions, by keys and by values, are never both there
    assert peak < results + most * y.nbytes


def test_counted_operations():
    from torch.utils.flop_counter import FlopCounterMode

    maps = [z.detach() for z in inputs(2, 8, 12, 3, 4, 2, 4, 2, 3)]
    with FlopCounterMode(display=False) as counter:
        run(maps, 4, 2)
    # 4 multiply-adds for a sample and 1 for its product, of every value at each of 3 points
    assert counter.get_total_flops() == 2 * 5 * 3 * (8 + 12) * 2 * 6 * 8


def test_errors_say_what_to_do():
    query, key, value, positions, bias = (z.detach() for z in inputs(*CASES[0]))
    for kind, match, args in [
        (ValueError, 'groups=5 must divide the 12', (query, key, value, positions, 5)),
        (ValueError, 'heads=3 must divide the 4 groups', (query, key, value, positions, 4, 3)),
        (ValueError, r'key must have the shape \(2, 8, 3, 4\)', (query, query, value, positions)),
        (
            ValueError,
            r'positions must have the shape \(2, 16, 6, 8\)',
            (query, key, value, positions[:, :23], 4, 4),
        ),
        (ValueError, r'bias must .* \(2, 12, 6, 8\)', (query, key, value, positions, 4, 4, key)),
        (ValueError, 'whole number of times', (query[..., :7], key, value, positions)),
        (TypeError, 'positions must be float32', (query, key, value, positions.half(), 4, 4)),
        (TypeError, 'value must be a floating', (query, key, value.int(), positions, 4, 4)),
        (
            ValueError,
            'backend must be one of auto, .*native, reference',
            (query, key, value, positions, 4, 4, bias, 'mmcv'),
        ),
    ]:
        with pytest.raises(kind, match=match):
            attend(*args)
