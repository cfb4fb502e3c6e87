import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from mmdyup import FADE
from mmdyup.ops import carafe

COUNTS = [
    (dict(), 16_448 + 16_384 + 14_425 + 257),
    (dict(gate=False), 47_514 - 257),
    # three 256 → 25 and 25 → 25 by a 3×3 of one channel each
    (dict(lite=True), 6_425 + 6_400 + 250 + 257),
]


def stirred(*args, **options):
    upsampler = FADE(*args, **options).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return upsampler


def maps(c=4, cf=4, h=3, w=2, s=2):
    return (
        torch.randn(2, c, h, w, dtype=torch.float64),
        torch.randn(2, cf, s * h, s * w, dtype=torch.float64),
    )


@pytest.mark.parametrize('options, count', COUNTS)
def test_parameters_of_the_paper(options, count):
    assert sum(p.numel() for p in FADE(256, **options).parameters()) == count


@pytest.mark.parametrize('lite', [False, True])
@pytest.mark.parametrize('s, k', [(2, 5), (3, 3)])
def test_the_formula(lite, s, k):
    upsampler = stirred(4, s, up_kernel=k, compressed_channels=6, lite=lite)
    x, f = maps(s=s)
    p = upsampler.state_dict()

    def encoded(z, side):
        z = F.conv2d(
            z,
            p[f'ker_generator.compressor_{side}.weight'],
            p.get(f'ker_generator.compressor_{side}.bias'),
        )
        return F.conv2d(
            z,
            p['ker_generator.content_encoder.weight'],
            p['ker_generator.content_encoder.bias'],
            padding=1,
            groups=k * k if lite else 1,
        )

    fine, coarse = encoded(f, 'en'), encoded(x, 'de')
    gate = F.conv2d(x, p['gate_generator.conv.weight'], p['gate_generator.conv.bias']).sigmoid()
    rows, columns = torch.arange(s * 3) // s, torch.arange(s * 2) // s
    kernels = (fine + coarse[:, :, rows][..., columns]).exp()
    kernels = kernels / kernels.sum(1, keepdim=True)
    gate = gate[:, :, rows][..., columns]
    expected = gate * f + (1 - gate) * carafe(x, kernels, scale_factor=s, backend='reference')
    torch.testing.assert_close(upsampler.kernels(x, f), kernels)
    torch.testing.assert_close(upsampler(x, f), expected)


def test_kernels_sum_to_one():
    x, f = maps()
    sums = stirred(4).kernels(x, f).sum(1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_an_open_gate_shows_the_guide_a_closed_one_the_reassembled():
    upsampler, ungated = stirred(4), stirred(4, gate=False)
    ungated.load_state_dict(upsampler.state_dict(), strict=False)
    x, f = maps()
    torch.nn.init.zeros_(upsampler.gate_generator.conv.weight)
    torch.nn.init.constant_(upsampler.gate_generator.conv.bias, 50)
    torch.testing.assert_close(upsampler(x, f), f)
    torch.nn.init.constant_(upsampler.gate_generator.conv.bias, -50)
    torch.testing.assert_close(upsampler(x, f), ungated(x, f))


def test_the_guide_decides_where_kernels_differ():
    # a constant guide leaves every position of an inner cell the same
    upsampler = stirred(4, gate=False)
    x, f = maps(h=5, w=5)
    cells = upsampler(x, torch.zeros_like(f))[..., 2:8, 2:8].unflatten(3, (3, 2))
    torch.testing.assert_close(cells[..., 0], cells[..., 1])
    cells = upsampler(x, f)[..., 2:8, 2:8].unflatten(3, (3, 2))
    assert (cells[..., 0] - cells[..., 1]).abs().min() > 0


@pytest.mark.parametrize('options', [dict(), dict(gate=False, guide_channels=3), dict(lite=True)])
def test_gradcheck_of_the_module(options):
    upsampler = stirred(2, up_kernel=3, compressed_channels=3, **options)
    x, f = maps(2, upsampler.guide_channels, 2, 3)
    assert gradcheck(upsampler, (x.requires_grad_(), f.requires_grad_()), fast_mode=True)


def test_names_in_checkpoints():
    state = FADE(64).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        'gate_generator.conv.weight': (1, 64, 1, 1),
        'gate_generator.conv.bias': (1,),
        'ker_generator.compressor_en.weight': (64, 64, 1, 1),
        'ker_generator.compressor_en.bias': (64,),
        'ker_generator.compressor_de.weight': (64, 64, 1, 1),
        'ker_generator.content_encoder.weight': (25, 64, 3, 3),
        'ker_generator.content_encoder.bias': (25,),
    }


def test_half_precision_adds_the_answers_in_float32():
    # in bfloat16 256 + 0.5 is 256: both neighbours would weigh the same
    upsampler = FADE(1, up_kernel=3, gate=False, lite=True)
    with torch.no_grad():
        for parameter in upsampler.parameters():
            parameter.zero_()
        upsampler.ker_generator.content_encoder.weight[:, :, 1, 1] = 1
        upsampler.ker_generator.compressor_en.bias.copy_(256)
        upsampler.ker_generator.compressor_de.weight[4] = 0.5
    upsampler.bfloat16()
    x, f = torch.ones(1, 1, 3, 3), torch.zeros(1, 1, 6, 6)
    kernels = upsampler.kernels(x.bfloat16(), f.bfloat16())
    torch.testing.assert_close(kernels[0, 4] / kernels[0, 0], torch.full((6, 6), 0.5).exp())
