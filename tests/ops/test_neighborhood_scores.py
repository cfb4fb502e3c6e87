import pytest
import torch
from torch.autograd import gradcheck

from mmdyup.ops import carafe, neighborhood_scores
from mmdyup.ops.reassembly import native
from mmdyup.testing import (
    needs_export_for_any_size,
    needs_opcheck,
    needs_operators_in_graphs,
)

# n, d, h, w, k, s
CASES = [
    (2, 4, 3, 4, 3, 2),
    (1, 3, 1, 1, 5, 3),
    (1, 4, 5, 1, 7, 1),
    (1, 6, 2, 7, 1, 2),
    (1, 2, 3, 3, 3, 8),
]
DOUBLE = dict(dtype=torch.float64, requires_grad=True)


def inputs(n, d, h, w, s, **options):
    return torch.randn(n, d, s * h, s * w, **options), torch.randn(n, d, h, w, **options)


def check_against_plain_loops(query, key, k, s):
    scores = neighborhood_scores(query, key, k, s)
    expected = neighborhood_scores(query, key, k, s, backend='reference')
    torch.testing.assert_close(scores, expected)
    grad = torch.randn_like(scores)
    torch.testing.assert_close(
        torch.autograd.grad(scores, (query, key), grad),
        torch.autograd.grad(expected, (query, key), grad),
    )


@pytest.mark.parametrize('n, d, h, w, k, s', CASES)
def test_equals_plain_loops_forward_and_backward(n, d, h, w, k, s, device, way):
    check_against_plain_loops(*inputs(n, d, h, w, s, device=device, **DOUBLE), k, s)


@pytest.mark.parametrize('block_bytes', [1, 60000])
def test_blocks_do_not_show(block_bytes, monkeypatch):
    monkeypatch.setenv('MMDYUP_BACKEND', 'native')
    monkeypatch.setattr(native, '_CPU_BYTES', block_bytes)
    check_against_plain_loops(*inputs(2, 4, 5, 6, 2, **DOUBLE), 5, 2)


def test_by_hand():
    query = torch.tensor([1.0, 10.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    key = torch.arange(8.0).view(1, 2, 2, 2)
    scores = neighborhood_scores(query, key, 3)
    dots = torch.tensor([[40.0, 51.0], [62.0, 73.0]])
    # the centre, the right neighbour, the one above
    assert torch.equal(scores[0, 4], dots.repeat_interleave(2, 0).repeat_interleave(2, 1))
    assert torch.equal(scores[0, 5, 0], torch.tensor([51.0, 51.0, 0.0, 0.0]))
    assert torch.equal(scores[0, 1, 2], torch.tensor([40.0, 40.0, 51.0, 51.0]))


def test_is_the_gradient_of_reassembly():
    query, key = inputs(2, 4, 3, 5, 2, dtype=torch.float64)
    kernels = torch.zeros(2, 25, 6, 10, **DOUBLE)
    (grad,) = torch.autograd.grad(carafe(key, kernels), kernels, query)
    torch.testing.assert_close(neighborhood_scores(query, key), grad)


def test_gradcheck():
    query, key = inputs(1, 3, 2, 3, 2, **DOUBLE)
    assert gradcheck(lambda q, k: neighborhood_scores(q, k, 3), (query, key), fast_mode=True)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_dtype_and_memory_format_are_the_querys(dtype, memory_format, device):
    query, key = inputs(2, 32, 6, 5, 2, device=device)
    query, key = query.to(dtype, memory_format=memory_format), key.to(dtype)
    scores = neighborhood_scores(query, key)
    assert scores.dtype == dtype and scores.is_contiguous(memory_format=memory_format)
    expected = neighborhood_scores(query.double(), key.double(), backend='reference')
    torch.testing.assert_close(scores.double(), expected, rtol=torch.finfo(dtype).eps, atol=1e-5)


def test_a_wider_query_is_met_in_its_own_dtype():
    query, key = inputs(1, 8, 3, 3, 2)
    key = key.bfloat16()
    scores = neighborhood_scores(query, key)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, neighborhood_scores(query, key.float()))


def test_empty_batch():
    query, key = inputs(0, 4, 3, 3, 2, requires_grad=True)
    scores = neighborhood_scores(query, key)
    assert scores.shape == (0, 25, 6, 6)
    scores.sum().backward()
    assert query.grad.shape == query.shape and key.grad.shape == key.shape


def test_autocast_leaves_it_alone():
    query, key = inputs(1, 8, 3, 3, 2)
    with torch.autocast('cpu', torch.bfloat16):
        scores = neighborhood_scores(query, key)
    torch.testing.assert_close(scores, neighborhood_scores(query, key), rtol=0, atol=0)


@needs_operators_in_graphs
@pytest.mark.slow
def test_a_compiled_graph_gives_the_same(check_compiled):
    check_compiled(neighborhood_scores, lambda h, w: inputs(2, 4, h, w, 2, requires_grad=True))


class Scores(torch.nn.Module):
    def forward(self, query, key):
        return neighborhood_scores(query, key)


def exported(example):
    dim = torch.export.Dim.AUTO
    sizes = {0: dim, 2: dim, 3: dim}
    program = torch.export.export(Scores(), example, dynamic_shapes=dict(query=sizes, key=sizes))
    assert not any('mmdyup' in str(node.target) for node in program.graph_module.graph.nodes)
    return program.module()


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
@pytest.mark.parametrize(
    'record',
    [
        pytest.param(lambda example: torch.jit.trace(Scores(), example), id='trace'),
        pytest.param(exported, marks=[needs_export_for_any_size, pytest.mark.slow], id='export'),
    ],
)
def test_a_graph_that_leaves_python_gives_the_same_for_any_size(record):
    graph = record(inputs(2, 4, 3, 5, 2))
    query, key = inputs(3, 4, 6, 2, 2)
    torch.testing.assert_close(graph(query, key), neighborhood_scores(query, key))


@needs_opcheck
@pytest.mark.slow
def test_the_operator_is_registered_as_pytorch_asks(way):
    query, key = inputs(2, 4, 3, 5, 2, requires_grad=True)
    args = (key, query, 3, 1, 2, torch.float32, True, way)
    torch.library.opcheck(torch.ops.mmdyup.scores.default, args)


@pytest.mark.parametrize(
    'kind, match, change',
    [
        (TypeError, 'query must be a tensor', dict(query=1)),
        (TypeError, 'kernel_size must be an integer', dict(kernel_size=3.0)),
        (ValueError, 'kernel_size must be odd', dict(kernel_size=4)),
        (ValueError, 'scale_factor must be at least 1', dict(scale_factor=0)),
        (ValueError, r'query must have the shape \(1, 4, 9, 9\)', dict(scale_factor=3)),
        (ValueError, 'backend must be one of auto, cpp, native, reference', dict(backend='mmcv')),
    ],
)
def test_errors_say_what_to_do(kind, match, change):
    query, key = inputs(1, 4, 3, 3, 2)
    with pytest.raises(kind, match=match):
        neighborhood_scores(**dict(query=query, key=key) | change)
