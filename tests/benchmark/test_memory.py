import pytest
import torch

from mmdyup.benchmark.memory import peak_bytes

MB = 2**20


@pytest.fixture
def x(device):
    return torch.rand(MB // 4, device=device)


def peak(call, device):
    call()
    return peak_bytes(call, device) / MB


def test_a_result_and_nothing_else(x, device):
    assert peak(lambda: x + 1, device) == pytest.approx(1, abs=0.01)
    assert peak(lambda: x.add_(1), device) == pytest.approx(0, abs=0.01)


def test_what_is_freed_before_does_not_count(x, device):
    def one_after_the_other():
        for _ in range(3):
            y = x.repeat(4)
            del y

    assert peak(one_after_the_other, device) == pytest.approx(4, abs=0.01)
    assert peak(lambda: [x.repeat(4) for _ in range(3)], device) == pytest.approx(12, abs=0.01)


def test_temporaries_inside_an_operator(x):
    # the median of all is a number, but a copy of the input is sorted on the way
    assert peak(x.cpu().median, 'cpu') == pytest.approx(1, abs=0.01)


def test_saved_for_the_backward_pass(x, device):
    x.requires_grad_()

    def gradient():
        y = x.exp()
        return y, torch.autograd.grad(y, x, torch.ones_like(y))

    # result, incoming gradient, gradient
    assert peak(gradient, device) == pytest.approx(3, abs=0.01)
