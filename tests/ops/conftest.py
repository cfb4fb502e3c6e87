import pytest
import torch


@pytest.fixture
def check_compiled():
    """Whether ``run(x, other)``, compiled once for any size, gives the same, gradients too.

    ``make(h, w)`` gives the two tensors, and ``x`` is taken in ``memory_format``.
    """
    def check(run, make, memory_format=torch.contiguous_format):
        compiled = torch.compile(run, fullgraph=True, dynamic=True, backend='aot_eager')
        for size in [(5, 3), (6, 7)]:
            x, other = make(*size)
            feature = x.to(memory_format=memory_format)
            y, expected = compiled(feature, other), run(feature, other)
            assert y.is_contiguous(memory_format=memory_format)
            torch.testing.assert_close(y, expected)
            grad = torch.randn_like(y)
            torch.testing.assert_close(torch.autograd.grad(y, (x, other), grad),
                                       torch.autograd.grad(expected, (x, other), grad))

    return check
