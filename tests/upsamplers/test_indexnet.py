import pytest
import torch
from torch.autograd import gradcheck

from mmdyup import IndexNet


def stirred(*args, **options):
    upsampler = IndexNet(*args, **options).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return upsampler


def maps(c=4, cf=3, h=3, w=2, s=2):
    return (
        torch.randn(2, c, h, w, dtype=torch.float64),
        torch.randn(2, cf, s * h, s * w, dtype=torch.float64),
    )


@pytest.mark.parametrize('channels, count', [(256, 2_100_224), (512, 8_394_752)])
def test_parameters_of_the_papers_tables(channels, count):
    with torch.device('meta'):
        parameters = IndexNet(channels).parameters()
    assert sum(p.numel() for p in parameters) == count


@pytest.mark.parametrize('s, k, r', [(1, 1, 0), (2, 4, 1), (3, 5, 1), (4, 8, 2)])
def test_the_formula(s, k, r):
    upsampler = stirred(4, s, 3).eval()
    x, f = maps(s=s)
    upsampler.indexnet[1].running_mean.normal_()
    upsampler.indexnet[1].running_var.uniform_(0.5, 2)
    first, norm, _, last = upsampler.indexnet
    assert first.weight.shape == (6, 3, k, k)
    expected = torch.zeros(2, 4, s * 3, s * 2, dtype=torch.float64)
    for row in range(3):
        for column in range(2):
            z = torch.zeros(2, 6, dtype=torch.float64)
            for a in range(k):
                for b in range(k):
                    u, v = s * row + a - r, s * column + b - r
                    if 0 <= u < s * 3 and 0 <= v < s * 2:
                        z += f[..., u, v] @ first.weight[..., a, b].t()
            z = (z - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
            z = (z * norm.weight + norm.bias).clamp(0, 6)
            index = (z @ last.weight[..., 0, 0].t()).sigmoid()
            for i in range(s):
                for j in range(s):
                    u, v = s * row + i, s * column + j
                    expected[..., u, v] = index[:, i * s + j, None] * x[..., row, column]
    torch.testing.assert_close(upsampler(x, f), expected)


def test_gradcheck_of_the_module():
    upsampler = stirred(2, 2, 3)
    x, f = maps(2, 3)
    assert gradcheck(upsampler, (x.requires_grad_(), f.requires_grad_()))


@pytest.mark.parametrize('n', [0, 1])
def test_one_value_a_channel_leaves_the_running_statistics(n):
    upsampler = stirred(4, 2, 3)
    before = {name: value.clone() for name, value in upsampler.state_dict().items()}
    x, f = (z[:n] for z in maps(h=1, w=1))
    assert torch.equal(upsampler(x, f), upsampler.eval()(x, f))
    after = upsampler.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
