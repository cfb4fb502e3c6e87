import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from mmdyup import DySample
from mmdyup.ops import backends, point_sample
from mmdyup.upsamplers.dysample import bilinear_start

VARIANTS = [
    dict(),
    dict(dyscope=True),
    dict(style='pl', groups=8),
    dict(style='pl', groups=8, dyscope=True),
]


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('s', [2, 3])
def test_zero_offsets_are_bilinear_interpolation(variant, s):
    upsampler = DySample(72, s, **variant)
    torch.nn.init.zeros_(upsampler.offset.weight)
    x = torch.randn(2, 72, 9, 13)
    torch.testing.assert_close(
        upsampler(x), F.interpolate(x, scale_factor=s, mode='bilinear'), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    'variant, parameters',
    [
        (VARIANTS[0], 256 * 32 + 32),
        (VARIANTS[1], 2 * 256 * 32 + 32),
        (VARIANTS[2], 64 * 16 + 16),
        (VARIANTS[3], 2 * 64 * 16 + 16),
    ],
)
def test_parameters(variant, parameters):
    assert sum(p.numel() for p in DySample(256, **variant).parameters()) == parameters


def test_the_start_lies_on_the_fine_grid():
    # at 2×, positions are a quarter pixel left/above and right/below of the cell's centre
    start = bilinear_start(2, 1).flatten()
    torch.testing.assert_close(
        start, torch.tensor([-0.25, 0.25, -0.25, 0.25, -0.25, -0.25, 0.25, 0.25])
    )


@pytest.mark.parametrize('dyscope', [False, True])
def test_offsets_of_style_pl_by_the_formula(dyscope):
    upsampler = DySample(16, 2, 'pl', groups=2, dyscope=dyscope).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 16, 3, 4, dtype=torch.float64)
    fine = F.pixel_shuffle(x, 2)
    linear = F.conv2d(fine, upsampler.offset.weight, upsampler.offset.bias)
    scale = F.conv2d(fine, upsampler.scope.weight).sigmoid() * 0.5 if dyscope else 0.25
    expected = F.pixel_unshuffle(scale * linear, 2) + bilinear_start(2, 2)
    torch.testing.assert_close(upsampler.offsets(x), expected)
    torch.testing.assert_close(upsampler(x), point_sample(x, expected, 2, 2, backend='reference'))


def test_gradcheck_of_the_module():
    upsampler = DySample(4, 2, groups=2, dyscope=True, gate=True, content_encoder=True).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    assert gradcheck(upsampler, (torch.randn(1, 4, 2, 3, dtype=torch.float64, requires_grad=True),))


def test_learnable_scope_starts_at_a_quarter():
    fixed, learned = DySample(8), DySample(8, learnable_scope=True)
    torch.nn.init.normal_(fixed.offset.weight)
    learned.offset.load_state_dict(fixed.offset.state_dict())
    x = torch.randn(1, 8, 4, 5)
    torch.testing.assert_close(learned(x), fixed(x))
    learned(x).sum().backward()
    assert learned.scope_logit.grad.abs() > 0


def test_gate_blends_between_bilinear_and_dynamic():
    gated, plain = DySample(8, gate=True), DySample(8)
    torch.nn.init.normal_(plain.offset.weight)
    gated.offset.load_state_dict(plain.offset.state_dict())
    x = torch.randn(1, 8, 4, 5)
    bilinear = F.interpolate(x, scale_factor=2, mode='bilinear')
    for bias, expected in [(-50.0, bilinear), (50.0, plain(x)), (0.0, (bilinear + plain(x)) / 2)]:
        torch.nn.init.zeros_(gated.gate[2].weight)
        torch.nn.init.constant_(gated.gate[2].bias, bias)
        torch.testing.assert_close(gated(x), expected)


def test_content_encoder_changes_the_offsets_alone():
    upsampler = DySample(32, content_encoder=True)
    assert [tuple(p.shape) for p in upsampler.content_encoder.parameters()] == [
        (16, 32, 1, 1),
        (16,),
        (32, 16, 3, 3),
        (32,),
    ]
    torch.nn.init.zeros_(upsampler.offset.weight)
    x = torch.randn(1, 32, 4, 5)
    torch.testing.assert_close(
        upsampler(x), F.interpolate(x, scale_factor=2, mode='bilinear'), rtol=1e-4, atol=1e-4
    )


def test_all_options_together_by_the_formula():
    upsampler = DySample(
        16, 2, groups=2, learnable_scope=True, content_encoder=True, gate=True
    ).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(1, 16, 4, 5, dtype=torch.float64)
    p = dict(upsampler.named_parameters())

    def layer(z, name, padding=0):
        return F.conv2d(z, p[f'{name}.weight'], p[f'{name}.bias'], padding=padding)

    encoded = layer(layer(x, 'content_encoder.0').relu(), 'content_encoder.2', 1)
    alpha = 0.5 / (1 + (-p['scope_logit']).exp())
    offsets = alpha * layer(encoded, 'offset') + bilinear_start(2, 2)
    torch.testing.assert_close(upsampler.offsets(x), offsets)
    dynamic = point_sample(x, offsets, 2, 2, backend='reference')
    gate = layer(layer(x, 'gate.0').relu(), 'gate.2').sigmoid()
    bilinear, gate = (F.interpolate(z, scale_factor=2, mode='bilinear') for z in (x, gate))
    torch.testing.assert_close(upsampler(x), bilinear + gate * (dynamic - bilinear))


def test_names_in_checkpoints():
    state = DySample(64, dyscope=True).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        'offset.weight': (32, 64, 1, 1),
        'offset.bias': (32,),
        'scope.weight': (32, 64, 1, 1),
        'init_pos': (1, 32, 1, 1),
    }


def test_a_state_with_scope_bias_loads_and_counts(monkeypatch):
    monkeypatch.setattr(backends, '_WARNED', set())
    # as the authors' published checkpoints were made
    old = DySample(64, dyscope=True)
    state = old.state_dict()
    state['scope.bias'] = torch.randn(32)
    torch.nn.init.normal_(state['offset.weight'])
    new = torch.nn.Sequential(DySample(64, dyscope=True))
    with pytest.warns(UserWarning, match='scope.bias, which an optimizer .* add scope_bias=True'):
        new.load_state_dict({f'0.{name}': value for name, value in state.items()}, strict=True)
    x = torch.randn(1, 64, 3, 4)
    scale = (F.conv2d(x, state['scope.weight']) + state['scope.bias'].view(-1, 1, 1)).sigmoid()
    expected = 0.5 * scale * F.conv2d(x, state['offset.weight'], state['offset.bias'])
    torch.testing.assert_close(new[0].offsets(x), expected + bilinear_start(2, 4))
    # and what it saves loads again
    torch.nn.Sequential(DySample(64, dyscope=True)).load_state_dict(new.state_dict())


def test_a_bias_of_the_scope_is_there_to_be_trained_where_it_is_asked_for(recwarn):
    upsampler, plain = DySample(64, dyscope=True, scope_bias=True), DySample(64, dyscope=True)
    assert not upsampler.scope.weight.any() and not upsampler.scope.bias.any()
    plain.load_state_dict({k: v for k, v in upsampler.state_dict().items() if k != 'scope.bias'})
    upsampler.load_state_dict(dict(plain.state_dict(), **{'scope.bias': torch.ones(32)}))
    assert not recwarn and 'scope.bias' in dict(upsampler.named_parameters())
    upsampler(torch.randn(1, 64, 3, 4)).square().sum().backward()
    assert upsampler.scope.bias.grad.any()
    with pytest.raises(ValueError, match='scope_bias=True is the bias of a scope; add dyscope'):
        DySample(64, scope_bias=True)


def test_reset_parameters_restores_the_start():
    upsampler = DySample(72, 3)
    upsampler.init_pos.zero_()
    upsampler.reset_parameters()
    assert torch.equal(upsampler.init_pos, bilinear_start(3, 4))


def test_what_is_pickled_names_no_inner_class_of_pytorch():
    assert b'torch.nn.modules.module' not in pickle.dumps(DySample(64, dyscope=True))


def test_what_is_printed_tells_the_variants_apart():
    assert (
        repr(DySample(72, 3, 'pl', groups=8))
        .splitlines()[1]
        .strip()
        .endswith("scale_factor=3, style='pl', groups=8")
    )


def test_style_pl_needs_channels_for_the_shuffle():
    with pytest.raises(ValueError, match='scale_factor²=4 must divide the 6 channels'):
        DySample(6, style='pl', groups=2)
