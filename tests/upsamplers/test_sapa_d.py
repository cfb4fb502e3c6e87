import pytest
import torch
import torch.nn.functional as F

from mmdyup import SAPAD, build_upsampler
from mmdyup.testing import HALVES


def stirred(*args, **options):
    upsampler = SAPAD(*args, **options).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return upsampler


def test_parameters():
    assert sum(p.numel() for p in SAPAD(256).parameters()) == 139_808


@pytest.mark.parametrize('s, groups, points, cf', [(2, 4, 9, 8), (3, 1, 2, 5), (1, 2, 4, 8)])
def test_the_formula(s, groups, points, cf):
    """What a module that holds the sampled values computes, with PyTorch's grid_sample."""
    n, c, h, w, e = 2, 8, 3, 4, 3
    upsampler = stirred(c, s, cf, groups, points, e)
    x = torch.randn(n, c, h, w, dtype=torch.float64)
    f = torch.randn(n, cf, s * h, s * w, dtype=torch.float64)
    query, key = upsampler.q(f), upsampler.k(x)
    offsets = F.pixel_shuffle(upsampler.offset(x), s).unflatten(1, (groups, points, 2))
    columns, rows = torch.arange(s * w) // s, torch.arange(s * h)[:, None] // s
    y = []
    for g in range(groups):
        logits, samples = [], []
        for p in range(points):
            o = offsets[:, g, p]
            grid = [
                (2 * (centre + o[:, axis]) + 1) / m - 1
                for axis, (centre, m) in enumerate([(columns, w), (rows, h)])
            ]
            keys, values = (
                F.grid_sample(
                    z.chunk(groups, 1)[g],
                    torch.stack(grid, -1),
                    padding_mode='zeros',
                    align_corners=False,
                )
                for z in (key, x)
            )
            logits.append((query.chunk(groups, 1)[g] * keys).sum(1))
            samples.append(values)
        weights = torch.stack(logits, 1).softmax(1)
        y.append((weights[:, :, None] * torch.stack(samples, 1)).sum(1))
    torch.testing.assert_close(upsampler(x, f), torch.cat(y, 1))


def test_without_offsets_it_is_nearest():
    upsampler = SAPAD(8)
    torch.nn.init.zeros_(upsampler.offset.weight)
    x, f = torch.randn(1, 8, 3, 4), torch.randn(1, 8, 6, 8)
    torch.testing.assert_close(upsampler(x, f), F.interpolate(x, scale_factor=2))


@pytest.mark.parametrize('dtype', HALVES)
def test_half_precision_keeps_positions(dtype):
    upsampler = SAPAD(8).to(dtype)
    torch.nn.init.zeros_(upsampler.offset.weight)
    x, f = torch.randn(1, 8, 2, 2048).to(dtype), torch.randn(1, 8, 4, 4096).to(dtype)
    expected = F.interpolate(x, scale_factor=2)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(upsampler(x, f), expected, rtol=eps, atol=eps)


def test_the_published_start():
    xavier = dict(type='Xavier', layer='Conv2d', distribution='uniform')
    upsampler = build_upsampler(dict(type='SAPAD', init_cfg=xavier), 256)
    upsampler.init_weights()
    expected = (2 / (256 + 288)) ** 0.5
    assert upsampler.offset.weight.std().item() == pytest.approx(expected, rel=0.05)


def test_names_in_checkpoints():
    names = [f'{conv}.{part}' for conv in ('q', 'k', 'offset') for part in ('weight', 'bias')]
    assert list(SAPAD(32).state_dict()) == names


def test_errors():
    with pytest.raises(ValueError, match='groups=4 must divide the 6 channels'):
        SAPAD(6)
    with pytest.raises(ValueError, match='points must be at least 1'):
        SAPAD(8, points=0)
