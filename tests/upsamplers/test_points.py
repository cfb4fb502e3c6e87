"""What can be looked at of an upsampler makes its result."""

import pytest
import torch
import torch.nn.functional as F

from mmdyup import build_upsampler, list_upsamplers
from mmdyup.ops import carafe

C, H, W = 32, 3, 4
LISTED = list_upsamplers()


def built(cfg, s=2):
    """Away from the start, in float64."""
    torch.manual_seed(0)
    upsampler = build_upsampler(cfg, C, s).double().eval()
    upsampler.reset_parameters()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return upsampler


def inputs(upsampler):
    s = upsampler.scale_factor
    x = torch.randn(2, C, H, W, dtype=torch.float64)
    guide = torch.randn(2, C, s * H, s * W, dtype=torch.float64)
    return (x, guide) if upsampler.guided else (x,)


def sampled(x, points, padding):
    """What lies at the points, (N, G, P, C/G, sH, sW), by PyTorch's grid_sample."""
    n, groups, count, _, large_h, large_w = points.shape
    h, w = x.shape[2:]
    size = points.new_tensor((w, h)).view(2, 1, 1)
    grid = ((2 * points + 1) / size - 1).movedim(3, -1).flatten(0, 2)
    values = x.unflatten(1, (groups, 1, -1)).expand(-1, -1, count, -1, -1, -1)
    y = F.grid_sample(values.flatten(0, 2), grid, padding_mode=padding, align_corners=False)
    return y.view(n, groups, count, -1, large_h, large_w)


def output_positions(s):
    """A pixel of the result is 1/s pixels of the feature wide; both begin at the same border."""
    rows, columns = torch.meshgrid(
        (torch.arange(s * H) + 0.5) / s - 0.5, (torch.arange(s * W) + 0.5) / s - 0.5, indexing='ij'
    )
    return torch.stack((columns, rows)).double()


def cell_centres(s):
    rows, columns = torch.meshgrid(
        torch.arange(s * H) // s, torch.arange(s * W) // s, indexing='ij'
    )
    return torch.stack((columns, rows)).double()


DYSAMPLES = [
    dict(type='DySample', style=style, groups=2, **options)
    for style in ('lp', 'pl')
    for options in ({}, dict(dyscope=True), dict(learnable_scope=True))
]


@pytest.mark.parametrize('cfg', DYSAMPLES, ids=str)
def test_dysample_reads_at_its_points(cfg):
    upsampler = built(cfg)
    (x,) = inputs(upsampler)
    y = sampled(x, upsampler.points(x), 'border')[:, :, 0].flatten(1, 2)
    torch.testing.assert_close(upsampler(x), y)


def test_constructed_offsets_in_pixels():
    # of each group, coordinate and place
    o = torch.arange(16, dtype=torch.float64).view(2, 2, 2, 2)
    sampling, kernels = built(dict(type='DySample', groups=2)), built(dict(type='DLU', up_group=2))
    for conv, bias in (
        (sampling.offset, 4 * o.transpose(0, 1)),  # the coordinate goes before the group
        (kernels.conv_offset, o),
    ):
        torch.nn.init.zeros_(conv.weight)
        conv.bias.data = bias.flatten()
    (x,) = inputs(sampling)
    for g in range(2):
        for u in range(2 * H):
            for v in range(2 * W):
                o_x, o_y = o[g, :, u % 2, v % 2]
                # from the position itself, and from the centre of its cell
                expected = torch.stack((v / 2 - 0.25 + o_x, u / 2 - 0.25 + o_y))
                torch.testing.assert_close(sampling.points(x)[1, g, 0, :, u, v], expected)
                expected = torch.stack((v // 2 + o_x, u // 2 + o_y))
                torch.testing.assert_close(kernels.points(x)[1, g, 0, :, u, v], expected)


@pytest.mark.parametrize('s', [2, 3])
def test_points_of_dlu_sample_the_small_kernels(s):
    upsampler = built(dict(type='DLU', up_group=2), s)
    (x,) = inputs(upsampler)
    small, _ = upsampler.kernel_space(x)
    kernels = sampled(small, upsampler.points(x), 'border')[:, :, 0].flatten(1, 2)
    torch.testing.assert_close(upsampler.kernels(x), kernels)


@pytest.mark.parametrize('s', [2, 3])
def test_frfu_reads_at_its_points_then_reassembles(s):
    upsampler = built(dict(type='FRFU', groups=2), s)
    (x,) = inputs(upsampler)
    samples = sampled(x, upsampler.points(x), 'border')[:, :, 0].flatten(1, 2)
    y = carafe(samples, upsampler.kernels(x), 1, 1, 'reference')
    torch.testing.assert_close(upsampler(x), y)


@pytest.mark.parametrize('cfg', [dict(type='SAPAD', groups=2), dict(type='LDAAQU', range_factor=2)])
def test_attention_adds_up_its_points_by_their_weights(cfg):
    upsampler = built(cfg)
    maps = inputs(upsampler)
    weights = upsampler.weights(*maps)[:, :, :, None]
    samples = sampled(maps[0], upsampler.points(*maps), 'zeros')
    torch.testing.assert_close(upsampler(*maps), (weights * samples).sum(2).flatten(1, 2))
    # rounded to float32, as when half a precision computes them
    halved = upsampler.bfloat16().weights(*(z.bfloat16() for z in maps))
    assert halved.dtype is torch.float32


def test_freqfusion_samples_anew_at_its_points_and_sharpens():
    upsampler = built(dict(type='FreqFusion', groups=2))
    x, f = inputs(upsampler)
    upsampled = carafe(x, upsampler.kernels(x, f), 1, 2, 'reference')
    # in pixels of what was upsampled
    points = 2 * (upsampler.points(x, f) + 0.5) - 0.5
    y, sharp = upsampler.fuse(x, f)
    torch.testing.assert_close(y, sampled(upsampled, points, 'border')[:, :, 0].flatten(1, 2))
    blurred = carafe(f, upsampler.highpass_kernels(x, f), 1, 1, 'reference')
    torch.testing.assert_close(sharp, 2 * f - blurred)


STARTS = {
    'dysample': (['offset'], output_positions),
    'frfu': (['offset'], output_positions),
    'dlu': (['conv_offset'], cell_centres),
    'sapa_d': (['offset'], cell_centres),
    'freqfusion': (['dysampler.offset', 'dysampler.hr_offset'], output_positions),
    'lda_aqu': (['conv_offset.3'], None),
}


@pytest.mark.parametrize('name', STARTS)
def test_without_offsets_points_are_at_their_start(name):
    upsampler = built(LISTED[name])
    layers, expected = STARTS[name]
    maps = inputs(upsampler)
    moved = upsampler.points(*maps) - upsampler.start_points(maps[0])
    assert moved.abs().max() > 0.01
    for layer in layers:
        conv = upsampler.get_submodule(layer)
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    points = upsampler.points(*maps)
    torch.testing.assert_close(points, upsampler.start_points(maps[0]).expand_as(points))
    if expected is not None:
        torch.testing.assert_close(points, expected(2).expand_as(points))


@pytest.mark.parametrize('name', [name for name in STARTS if name != 'dysample'])
def test_offsets_are_what_the_points_are_moved_by(name):
    upsampler = built(LISTED[name])
    maps = inputs(upsampler)
    moved = upsampler.points(*maps) - upsampler.start_points(maps[0])
    offsets = upsampler.offsets(*maps)
    if name == 'frfu':  # with its start, cell by cell: as the operator has them
        places = offsets.view(2, 2, 4, 2, 2, H, W)
        o = places.permute(0, 2, 1, 5, 3, 6, 4).reshape(2, 4, 1, 2, 2 * H, 2 * W)
        torch.testing.assert_close(o + cell_centres(2), upsampler.points(*maps))
    elif name == 'freqfusion':
        torch.testing.assert_close(
            offsets.view(2, 2, 4, 2 * H, 2 * W).transpose(1, 2), moved[:, :, 0]
        )
    else:
        torch.testing.assert_close(offsets.view(moved.shape), moved)


REASSEMBLIES = ['carafe', 'dlu', 'fade_no_gate', 'sapa', 'sapa_g', 'sapa_i', 'a2u', 'indexnet']


@pytest.mark.parametrize('name', REASSEMBLIES)
def test_kernels_reassemble(name):
    upsampler = built(LISTED[name])
    maps = inputs(upsampler)
    kernels = upsampler.kernels(*maps)
    torch.testing.assert_close(carafe(maps[0], kernels, backend='reference'), upsampler(*maps))
    if name != 'indexnet':
        torch.testing.assert_close(kernels.sum(1), torch.ones_like(kernels[:, 0]))


@pytest.mark.parametrize('name', ['fade', 'fade_lite'])
def test_gates_of_fade_blend_the_guide_in(name):
    upsampler = built(LISTED[name])
    x, f = inputs(upsampler)
    gate = F.interpolate(upsampler.gates(x, f), scale_factor=2)
    y = carafe(x, upsampler.kernels(x, f), backend='reference')
    torch.testing.assert_close(upsampler(x, f), gate * f + (1 - gate) * y)
    assert built(LISTED['fade_no_gate']).gates(x, f) is None


def test_gates_of_sapa_g_choose_the_query():
    upsampler = built(LISTED['sapa_g'])
    x, f = inputs(upsampler)
    gate = upsampler.gates(x, f)
    gate_up, coarse = (F.interpolate(z, scale_factor=2) for z in (gate, upsampler.qx(x)))
    fine = upsampler.qy(upsampler.norm_y(f))
    query, _ = upsampler.query_and_key(x, f)
    torch.testing.assert_close(query, gate_up * fine + (1 - gate_up) * coarse)
    assert gate.shape == (2, 1, H, W)


def test_gates_of_dysample():
    upsampler = built(dict(type='DySample', gate=True))
    (x,) = inputs(upsampler)
    bilinear = F.interpolate(x, scale_factor=2, mode='bilinear')
    moved = sampled(x, upsampler.points(x), 'border')[:, :, 0].flatten(1, 2)
    gate = upsampler.gates(x)
    torch.testing.assert_close(upsampler(x), gate * moved + (1 - gate) * bilinear)
    assert built(dict(type='DySample')).gates(x) is None


@pytest.mark.parametrize('cfg', DYSAMPLES, ids=str)
def test_scopes_of_dysample_scale_its_linear_layer(cfg):
    upsampler = built(cfg)
    (x,) = inputs(upsampler)
    scopes = upsampler.scopes(x)
    if not cfg.get('dyscope'):
        learned = cfg.get('learnable_scope')
        value = upsampler.scope_logit.sigmoid() / 2 if learned else torch.tensor(0.25)
        torch.testing.assert_close(scopes, value.double().expand_as(scopes))
    linear = F.conv2d(
        F.pixel_shuffle(x, 2) if cfg['style'] == 'pl' else x,
        upsampler.offset.weight,
        upsampler.offset.bias,
    )
    if cfg['style'] == 'lp':
        # coordinate and group, then places to their cells
        linear = F.pixel_shuffle(linear, 2)
    linear = linear.view(2, 2, 2, 1, 2 * H, 2 * W).transpose(1, 2).transpose(2, 3)
    moved = upsampler.points(x) - upsampler.start_points(x)
    torch.testing.assert_close(scopes * linear, moved)


def test_scopes_of_frfu_and_freqfusion_are_shares():
    for name in ('frfu', 'freqfusion'):
        upsampler = built(LISTED[name])
        maps = inputs(upsampler)
        scopes = upsampler.scopes(*maps)
        assert 0 < scopes.min() < 0.4 and 0.6 < scopes.max() < 1
        layers = (
            ['offset_mask']
            if name == 'frfu'
            else ['dysampler.direct_scale', 'dysampler.hr_direct_scale']
        )
        before = upsampler.points(*maps) - upsampler.start_points(maps[0])
        for layer in layers:
            conv = upsampler.get_submodule(layer)
            torch.nn.init.zeros_(conv.weight)
            torch.nn.init.zeros_(conv.bias)
        half = upsampler.points(*maps) - upsampler.start_points(maps[0])
        torch.testing.assert_close(before / scopes, 2 * half)
