import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from mmdyup.ops import expand_kernels

# n, groups, k, h, w, s
CASES = [(2, 1, 3, 3, 4, 2), (1, 3, 1, 1, 1, 3), (1, 2, 5, 4, 1, 1), (2, 2, 3, 2, 3, 4)]

pytestmark = pytest.mark.usefixtures('way')


def inputs(n, groups, k, h, w, s, spread=2.0, **options):
    return (
        torch.randn(n, groups * k * k, h, w, **options),
        spread * torch.randn(n, 2 * groups, s * h, s * w, **options),
    )


@pytest.mark.parametrize('n, groups, k, h, w, s', CASES)
def test_equals_plain_loops(n, groups, k, h, w, s, device):
    q, o = inputs(n, groups, k, h, w, s, dtype=torch.float64, device=device)
    torch.testing.assert_close(
        expand_kernels(q, o, s, groups), expand_kernels(q, o, s, groups, backend='reference')
    )


@pytest.mark.parametrize('n, groups, k, h, w, s', CASES)
def test_gradcheck(n, groups, k, h, w, s):
    q, o = inputs(n, groups, k, h, w, s, spread=0.3, dtype=torch.float64)
    o = torch.where(o.frac().abs() < 0.05, o + 0.1, o)
    assert gradcheck(
        lambda q, o: expand_kernels(q, o, s, groups),
        (q.requires_grad_(), o.requires_grad_()),
        fast_mode=True,
    )


@pytest.mark.parametrize('s', [1, 2, 8, 16])
def test_zero_offsets_repeat_the_nearest_kernel(s):
    q = torch.randn(2, 18, 5, 7)
    m = expand_kernels(q, torch.zeros(2, 4, 5 * s, 7 * s), s, groups=2)
    torch.testing.assert_close(m, F.interpolate(q, scale_factor=s), atol=1e-5, rtol=1e-5)


def test_kernels_go_on_summing_to_one(device):
    q, o = inputs(2, 2, 5, 6, 5, 2, spread=10, device=device)
    q = q.unflatten(1, (2, 25)).softmax(2).flatten(1, 2)
    sums = expand_kernels(q, o, 2, 2).unflatten(1, (2, 25)).sum(2)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_pairs_are_x_then_y():
    q = torch.arange(12.0).view(1, 1, 3, 4)
    o = torch.zeros(1, 2, 3, 4)
    o[:, 0] = 1
    torch.testing.assert_close(expand_kernels(q, o, 1), q[..., [1, 2, 3, 3]])
    torch.testing.assert_close(expand_kernels(q, o.flip(1), 1), q[..., [1, 2, 2], :])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_keeps_positions(dtype):
    q = torch.randn(1, 9, 2, 2048).to(dtype)
    m = expand_kernels(q, torch.zeros(1, 2, 4, 4096, dtype=dtype), 2)
    nearest = q.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(m, nearest, atol=1e-2, rtol=1e-2)


def test_empty_batch_and_errors():
    q, o = inputs(0, 1, 3, 2, 2, 2)
    assert expand_kernels(q, o, 2).shape == (0, 9, 4, 4)
    q, o = inputs(1, 1, 3, 2, 2, 2)
    with pytest.raises(ValueError, match=r'shape \(1, 2, 4, 4\)'):
        expand_kernels(q, o[..., 1:], 2)
    with pytest.raises(ValueError, match='groups=2'):
        expand_kernels(q, o, 2, groups=2)
