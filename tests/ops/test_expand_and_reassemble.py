import pytest
import torch
from torch.autograd import gradcheck

from mmdyup.ops import carafe, expand_and_reassemble, expand_kernels

pytestmark = pytest.mark.usefixtures('way')


def inputs(n=1, c=4, h=3, w=2, groups=2, k=3, s=2, **options):
    return (
        torch.randn(n, c, h, w, **options),
        torch.randn(n, groups * k * k, h, w, **options),
        torch.randn(n, 2 * groups, s * h, s * w, **options),
    )


@pytest.mark.parametrize('backend', ['auto', 'reference'])
def test_is_expansion_then_reassembly(backend, device):
    x, q, o = inputs(dtype=torch.float64, device=device)
    m = expand_kernels(q, o, 2, 2, backend='reference')
    torch.testing.assert_close(
        expand_and_reassemble(x, q, o, 2, 2, backend), carafe(x, m, 2, backend='reference')
    )


def test_gradcheck():
    x, q, o = inputs(h=2, dtype=torch.float64)
    # central differences need a function that is smooth: keep clear of the pixel centres
    o = 0.3 * o
    o = torch.where(o.frac().abs() < 0.05, o + 0.1, o)
    args = [t.requires_grad_() for t in (x, q, o)]
    assert gradcheck(lambda x, q, o: expand_and_reassemble(x, q, o, 2, 2), args, fast_mode=True)


@pytest.mark.parametrize(
    'match, change',
    [
        (r'kernels must have the shape \(1, 18, 3, 2\)', dict(kernels=torch.ones(1, 18, 6, 4))),
        ('17 is not 2 times an odd square', dict(kernels=torch.ones(1, 17, 3, 2))),
        (r'offsets must have the shape \(1, 4, 6, 4\)', dict(offsets=torch.ones(1, 2, 6, 4))),
        ('groups=3 must divide the 4 channels', dict(groups=3)),
        ('backend must be one of auto, mmcv, cpp, native, reference, triton', dict(backend='cuda')),
    ],
)
def test_errors_say_what_to_do(match, change):
    x, q, o = inputs()
    with pytest.raises(ValueError, match=match):
        expand_and_reassemble(**dict(x=x, kernels=q, offsets=o, groups=2) | change)
