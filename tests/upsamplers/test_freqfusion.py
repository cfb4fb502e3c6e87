import numpy
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from mmdyup import FreqFusion
from mmdyup.ops import carafe
from mmdyup.ops.reference import _bilinear
from mmdyup.testing import HALVES
from mmdyup.upsamplers.dysample import bilinear_start


def stirred(*args, **options):
    upsampler = FreqFusion(*args, **options).double()
    upsampler.reset_parameters()  # the windows in float64
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return upsampler


def maps(c=32, cf=32, h=3, w=2, s=2, n=2):
    return (
        torch.randn(n, c, h, w, dtype=torch.float64),
        torch.randn(n, cf, s * h, s * w, dtype=torch.float64),
    )


@pytest.mark.parametrize('options, count', [({}, 104_690), (dict(similarity_alone=True), 78_770)])
def test_parameters_of_the_authors_code(options, count):
    assert sum(p.numel() for p in FreqFusion(256, **options).parameters()) == count


def conv(z, p, name):
    weight = p[f'{name}.weight']
    return F.conv2d(z, weight, p[f'{name}.bias'], padding=weight.shape[-1] // 2)


def kernels_of(logits, k):
    """Softmax, times the outer product of Hamming windows, over its sum."""
    line = torch.from_numpy(numpy.hamming(k))
    weighed = logits.softmax(1) * (line[:, None] * line).view(1, -1, 1, 1)
    return weighed / weighed.sum(1, keepdim=True)


def reassembled(z, kernels, s):
    return carafe(z, kernels, 1, s, 'reference')


def similarities(z):
    """Cosines to the 3×3 neighbours at dilation 2, 0 outside, without the centre."""
    n, _, h, w = z.shape
    found = z.new_zeros(n, 8, h, w)
    steps = [(a, b) for a in (-2, 0, 2) for b in (-2, 0, 2) if (a, b) != (0, 0)]
    for i, (a, b) in enumerate(steps):
        for u in range(max(0, -a), min(h, h - a)):
            for v in range(max(0, -b), min(w, w - b)):
                here, there = z[..., u, v], z[..., u + a, v + b]
                found[:, i, u, v] = (here * there).sum(1) / (here.norm(dim=1) * there.norm(dim=1))
    return found


def normalized(z, p, name):
    groups = z.reshape(len(z), z.shape[1] // 8, -1)
    groups = groups - groups.mean(2, keepdim=True)
    groups = groups / (groups.square().mean(2, keepdim=True) + 1e-5).sqrt()
    scale, shift = (p[f'{name}.{part}'][:, None, None] for part in ('weight', 'bias'))
    return groups.reshape(z.shape) * scale + shift


def sampled_anew(z, offsets, s, g):
    """z at its own size; offsets as DySample lays them out, from the bilinear start, in cells."""
    n, c, fine_h, fine_w = z.shape
    o = offsets.view(n, 2, g, s, s, fine_h // s, fine_w // s)
    y, groups = torch.empty_like(z), z.unflatten(1, (g, -1))
    for u in range(fine_h):
        for v in range(fine_w):
            o_x, o_y = o[:, :, :, u % s, v % s, u // s, v // s].unbind(1)
            column, row = (
                s * (i // s + 0.5 + (i % s - (s - 1) / 2) / s + step) - 0.5
                for i, step in ((v, o_x), (u, o_y))
            )
            y[..., u, v] = _bilinear(groups, column, row).flatten(1)
    return y


def by_the_formulas(p, low, high, s, k, kh, g, alone):
    """The steps 1 to 5 in the order of the authors' code."""
    fine, coarse = conv(high, p, 'hr_channel_compressor'), conv(low, p, 'lr_channel_compressor')
    a = conv(fine, p, 'content_encoder2')
    fine = 2 * fine - reassembled(fine, kernels_of(a, kh), 1)
    b = conv(fine, p, 'content_encoder')
    m = b + reassembled(conv(coarse, p, 'content_encoder'), kernels_of(b, k), s)
    d = a + reassembled(conv(coarse, p, 'content_encoder2'), kernels_of(m, k), s)
    y = reassembled(low, kernels_of(m, k), s)
    sharp = 2 * high - reassembled(high, kernels_of(d, kh), 1)
    if 'dysampler.norm_hr.weight' in p:
        fine = normalized(fine, p, 'dysampler.norm_hr')
        coarse = normalized(coarse, p, 'dysampler.norm_lr')

    def summed(name, with_features, with_similarities):
        total = 0
        for z, prefix in ((coarse, ''), (fine, 'hr_')):
            parts = [z] if with_features else []
            parts += [similarities(z)] if with_similarities else []
            made = conv(torch.cat(parts, 1), p, f'dysampler.{prefix}{name}')
            total = total + (F.pixel_unshuffle(made, s) if prefix else made)
        return total

    offsets = summed('offset', not alone, True) * summed('direct_scale', True, not alone).sigmoid()
    return sampled_anew(y, offsets, s, g), sharp


@pytest.mark.parametrize(
    'options', [{}, dict(similarity_alone=True), dict(norm_features=False)], ids=str
)
@pytest.mark.parametrize('cf, s, k, kh, g', [(32, 2, 5, 3, 4), (96, 3, 3, 5, 2)])
def test_the_formulas(cf, s, k, kh, g, options):
    alone = 'similarity_alone' in options
    upsampler = stirred(32, s, cf, up_kernel=k, highpass_kernel=kh, groups=g, **options)
    x, f = maps(32, cf, s=s)
    expected = by_the_formulas(upsampler.state_dict(), x, f, s, k, kh, g, alone)
    for ours, other in zip(upsampler.fuse(x, f), expected, strict=True):
        torch.testing.assert_close(ours, other)
    torch.testing.assert_close(upsampler(x, f), expected[0])


def test_gradients_of_both_levels():
    upsampler = stirred(32, 2, up_kernel=3, compressed_channels=8)
    x, f = (z.requires_grad_() for z in maps(h=1, w=1, n=1))
    assert gradcheck(upsampler.fuse, (x, f), fast_mode=True)


def test_lowpass_kernels_sum_to_one():
    sums = stirred(32).kernels(*maps()).sum(1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_equal_logits_leave_the_window():
    upsampler = FreqFusion(32).double()
    for encoder in (upsampler.content_encoder, upsampler.content_encoder2):
        torch.nn.init.zeros_(encoder.weight)
    window = numpy.outer(numpy.hamming(5), numpy.hamming(5))
    kernels = upsampler.kernels(*maps())
    expected = torch.from_numpy(window / window.sum()).view(1, 25, 1, 1)
    torch.testing.assert_close(kernels, expected.expand_as(kernels), rtol=1e-6, atol=0)


def test_inside_a_constant_both_levels_stay_what_they_are():
    # a low pass leaves the lowest frequency, a high pass nothing of it
    upsampler = stirred(32)
    x, f = torch.full((1, 32, 8, 8), 3.0).double(), torch.full((1, 32, 16, 16), -2.0).double()
    y, sharp = upsampler.fuse(x, f)
    # as far as the zeros around a map do not reach
    torch.testing.assert_close(sharp[..., 1:-1, 1:-1], f[..., 1:-1, 1:-1])
    for conv in (upsampler.dysampler.offset, upsampler.dysampler.hr_offset):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    y = upsampler(x, f)[..., 4:-4, 4:-4]
    torch.testing.assert_close(y, torch.full_like(y, 3))


def test_the_highest_frequency_is_lowered_below_and_raised_above():
    upsampler = FreqFusion(32).double()
    checkers = (-1.0) ** (torch.arange(16)[:, None] + torch.arange(16)).double()
    x, f = (checkers[:n, :n].expand(1, 32, n, n) for n in (8, 16))
    y, sharp = upsampler.fuse(x, f)
    assert y[..., 4:-4, 4:-4].abs().max() < 0.2
    assert (sharp[..., 1:-1, 1:-1] / f[..., 1:-1, 1:-1]).min() > 1.2


def test_no_offsets_sample_nothing_anew():
    upsampler = stirred(32)
    for conv in (upsampler.dysampler.offset, upsampler.dysampler.hr_offset):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    x, f = maps()
    expected = carafe(x, upsampler.kernels(x, f))
    torch.testing.assert_close(upsampler(x, f), expected)


@pytest.mark.parametrize('coarse, fine', [((3, 4), (5, 7)), ((3, 4), (7, 9)), ((3, 4), (6, 9))])
def test_a_meeting_changes_the_pixels_that_the_coarse_level_covers(coarse, fine):
    upsampler = stirred(32)
    x, f = torch.randn(1, 32, *coarse).double(), torch.randn(1, 32, *fine).double()
    _, merged = upsampler.meet(x, f)
    rows, columns = (
        torch.arange(2 * a).clamp(max=b - 1) for a, b in zip(coarse, fine, strict=True)
    )
    expected = f.clone()
    h, w = (min(2 * a, b) for a, b in zip(coarse, fine, strict=True))
    expected[..., :h, :w] = upsampler.fuse(x, f[:, :, rows][..., columns])[1][..., :h, :w]
    torch.testing.assert_close(merged, expected)


def test_each_level_keeps_its_dtype_and_memory_format():
    upsampler = FreqFusion(32, guide_channels=96)
    x, f = (z.float() for z in maps(32, 96, 5, 6))
    for last in (False, True):
        guide = f.to(memory_format=torch.channels_last) if last else f
        y, sharp = upsampler.fuse(x, guide)
        assert y.is_contiguous()
        assert sharp.is_contiguous(memory_format=torch.channels_last) == last


@pytest.mark.parametrize('dtype', HALVES, ids=str)
def test_a_wide_map_in_half_precision_is_the_float32_result_rounded(dtype):
    upsampler = FreqFusion(32).to(dtype)
    x, f = (z.to(dtype) for z in maps(h=1, w=1024, n=1))
    rounded = upsampler.fuse(x, f)
    eps = 8 * torch.finfo(dtype).eps
    for ours, expected in zip(rounded, upsampler.float().fuse(x.float(), f.float()), strict=True):
        torch.testing.assert_close(ours.float(), expected, rtol=eps, atol=eps)


def test_a_state_of_the_authors_loads():
    state = FreqFusion(64).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        'hamming_lowpass': (1, 1, 5, 5),
        'hamming_highpass': (1, 1, 3, 3),
        'hr_channel_compressor.weight': (16, 64, 1, 1),
        'hr_channel_compressor.bias': (16,),
        'lr_channel_compressor.weight': (16, 64, 1, 1),
        'lr_channel_compressor.bias': (16,),
        'content_encoder.weight': (25, 16, 3, 3),
        'content_encoder.bias': (25,),
        'content_encoder2.weight': (9, 16, 3, 3),
        'content_encoder2.bias': (9,),
        'dysampler.offset.weight': (32, 24, 3, 3),
        'dysampler.offset.bias': (32,),
        'dysampler.direct_scale.weight': (32, 24, 3, 3),
        'dysampler.direct_scale.bias': (32,),
        'dysampler.hr_offset.weight': (8, 24, 3, 3),
        'dysampler.hr_offset.bias': (8,),
        'dysampler.hr_direct_scale.weight': (8, 24, 3, 3),
        'dysampler.hr_direct_scale.bias': (8,),
        'dysampler.norm_hr.weight': (16,),
        'dysampler.norm_hr.bias': (16,),
        'dysampler.norm_lr.weight': (16,),
        'dysampler.norm_lr.bias': (16,),
    }
    theirs = dict(state, **{'dysampler.init_pos': bilinear_start(2, 4)})
    FreqFusion(64).load_state_dict(theirs, strict=True)
    assert 'dysampler.init_pos' in theirs


def test_the_published_start():
    pytest.importorskip('mmengine')
    from mmengine.model import Sequential

    encoders = [
        dict(type='Normal', name=name, std=0.001)
        for name in ('content_encoder', 'content_encoder2')
    ]
    xavier = dict(type='Xavier', layer='Conv2d', distribution='uniform', override=encoders)
    parent = Sequential(FreqFusion(256, init_cfg=xavier))
    parent.init_weights()
    upsampler = parent[0]
    for name, std in [
        ('content_encoder', 0.001),
        ('content_encoder2', 0.001),
        ('hr_channel_compressor', (2 / (256 + 64)) ** 0.5),
        ('dysampler.offset', 0.046),
        ('dysampler.direct_scale', 0.046),
    ]:
        weight = upsampler.get_submodule(name).weight
        assert weight.std().item() == pytest.approx(std, rel=0.1), name


def test_compressed_channels_that_the_norms_cannot_divide():
    for channels, m in ((112, 28), (24, 6)):
        with pytest.raises(ValueError, match=f'cannot divide {m} compressed channels'):
            FreqFusion(channels)
    assert FreqFusion(112, compressed_channels=32).hr_channel_compressor.out_channels == 32
    assert FreqFusion(48).dysampler.norm_hr.num_groups == 1
