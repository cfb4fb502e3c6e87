import pytest
import torch
import torch.nn.functional as F

from mmdyup import LDAAQU
from mmdyup.testing import HALVES


def stirred(*args, **options):
    upsampler = LDAAQU(*args, **options).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return upsampler


def test_parameters():
    assert sum(p.numel() for p in LDAAQU(256).parameters()) == 39_410


@pytest.mark.parametrize(
    's, groups, reduction, h, w', [(2, 2, 4, 3, 4), (3, 1, 2, 2, 1), (1, 4, 1, 3, 3)]
)
def test_the_formula(s, groups, reduction, h, w):
    """What a module that holds the sampled values computes, with PyTorch's grid_sample."""
    c, k, reach = 16, 3, 2
    upsampler = stirred(c, s, reduction, groups, range_factor=reach)
    p = upsampler.state_dict()
    x = torch.randn(2, c, h, w, dtype=torch.float64)
    large_h, large_w = s * h, s * w

    def normed(z, name):
        mean, var = z.mean(1, keepdim=True), z.var(1, correction=0, keepdim=True)
        weight, bias = (p[f'{name}.norm.{part}'][:, None, None] for part in ('weight', 'bias'))
        return (z - mean) / (var + 1e-5).sqrt() * weight + bias

    u = normed(x, 'layer_norm')
    query, key = (torch.einsum('dc,nchw->ndhw', p[f'proj_{z}.weight'][..., 0, 0], u) for z in 'qk')
    query = F.interpolate(query, size=(large_h, large_w), mode='bilinear', align_corners=True)
    d = c // reduction
    logits = torch.zeros(2, k * k, large_h, large_w, dtype=torch.float64)
    samples = []
    for g in range(groups):
        own = slice(g * d // groups, (g + 1) * d // groups)
        z = F.conv2d(query[:, own], p['conv_offset.0.weight'], padding=1, groups=d // groups)
        z = F.gelu(normed(z, 'conv_offset.1'))
        o = F.conv2d(z, p['conv_offset.3.weight'], p['conv_offset.3.bias'], padding=1)
        o = reach * o.tanh()
        of_points = []
        for n in range(k * k):
            row = torch.arange(large_h)[:, None] + n // k - 1 + o[:, 2 * n]
            column = torch.arange(large_w) + n % k - 1 + o[:, 2 * n + 1]
            # a side of one pixel has one position
            grid = [2 * z / max(m - 1, 1) - 1 for z, m in ((column, large_w), (row, large_h))]
            for side, m in enumerate((w, h)):
                if m == 1:
                    grid[side] = torch.zeros_like(grid[side])
            sample = [
                F.grid_sample(z, torch.stack(grid, -1), padding_mode='zeros', align_corners=True)
                for z in (key[:, own], x[:, g * c // groups : (g + 1) * c // groups])
            ]
            table = p['relative_position_bias_table'][n, own, None, None]
            logits[:, n] += (query[:, own] * (sample[0] + table)).sum(1) / d**0.5
            of_points.append(sample[1])
        samples.append(torch.stack(of_points, 1))
    weights = logits.softmax(1)
    y = torch.cat([(weights[:, :, None] * z).sum(1) for z in samples], 1)
    torch.testing.assert_close(upsampler(x), y)


def test_the_start_is_a_fixed_window():
    upsampler = LDAAQU(16).double()
    x = torch.randn(1, 16, 4, 5, dtype=torch.float64)
    positions = upsampler.positions(x, torch.randn(1, 4, 8, 10, dtype=torch.float64))
    pairs = positions.view(2, 3, 3, 2, 8, 10)
    # the middle point: corners of both maps coincide
    torch.testing.assert_close(pairs[0, 1, 1, 0, 0], torch.linspace(0, 4, 10).double())
    torch.testing.assert_close(pairs[1, 1, 1, 1, :, 0], torch.linspace(0, 3, 8).double())
    # points go by rows, and a step is a pixel of the result
    assert torch.allclose(pairs[:, 1, 2, 0] - pairs[:, 1, 1, 0], torch.tensor(4 / 9).double())
    assert torch.allclose(pairs[:, 0, 1, 1] - pairs[:, 1, 1, 1], torch.tensor(-3 / 7).double())


@pytest.mark.parametrize('dtype', HALVES)
def test_half_precision_keeps_positions(dtype):
    upsampler = LDAAQU(8).to(dtype)
    x = torch.randn(1, 8, 2, 2048).to(dtype)
    eps = 8 * torch.finfo(dtype).eps
    expected = LDAAQU(8)
    expected.load_state_dict(upsampler.state_dict())
    torch.testing.assert_close(upsampler(x).float(), expected(x.float()), rtol=eps, atol=eps)


def test_names_in_checkpoints():
    state = LDAAQU(64).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        'relative_position_bias_table': (9, 16),
        'layer_norm.norm.weight': (64,),
        'layer_norm.norm.bias': (64,),
        'proj_q.weight': (16, 64, 1, 1),
        'proj_k.weight': (16, 64, 1, 1),
        'conv_offset.0.weight': (8, 1, 3, 3),
        'conv_offset.1.norm.weight': (8,),
        'conv_offset.1.norm.bias': (8,),
        'conv_offset.3.weight': (18, 8, 3, 3),
        'conv_offset.3.bias': (18,),
    }


def test_the_authors_checkpoints_load():
    upsampler, other = stirred(8), stirred(8)
    state = upsampler.state_dict()
    name = 'relative_position_bias_table'
    theirs = state | {name: state[name].view(1, 1, 1, 9, 2)}
    other.load_state_dict(theirs)
    x = torch.randn(1, 8, 2, 3, dtype=torch.float64)
    assert torch.equal(other(x), upsampler(x)) and theirs[name].dim() == 5
    with pytest.raises(RuntimeError, match=name):
        LDAAQU(8, up_kernel=5).load_state_dict(theirs)


def test_errors():
    with pytest.raises(ValueError, match='reduction_factor·groups=8 must divide the 12 channels'):
        LDAAQU(12)
    with pytest.raises(ValueError, match='up_kernel must be odd'):
        LDAAQU(8, up_kernel=2)
    with pytest.raises(TypeError, match='range_factor must be a number'):
        LDAAQU(8, range_factor='11')
