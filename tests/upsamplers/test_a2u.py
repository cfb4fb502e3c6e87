import pytest
import torch
from torch.autograd import gradcheck

from mmdyup import A2U
from mmdyup.ops import carafe


def stirred(*args, **options):
    upsampler = A2U(*args, **options).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return upsampler


def maps(c=4, cf=32, h=3, w=2, s=2):
    return (
        torch.randn(2, c, h, w, dtype=torch.float64),
        torch.randn(2, cf, s * h, s * w, dtype=torch.float64),
    )


def test_parameters_of_the_papers_tables():
    sizes = {name: p.numel() for name, p in A2U(256).named_parameters()}
    weights = sum(n for name, n in sizes.items() if name.endswith('weight') and 'bconv' in name)
    assert weights == 9_728
    # biases, and two norms
    assert sum(sizes.values()) == 9_728 + 36 + 1 + 1 + 2 * (256 + 256)


def conv(z, p, name):
    """A 1×1 convolution of averages, (N, C, …)."""
    weight, bias = (p[f'kernel_gen.{name}.1.{part}'] for part in ('weight', 'bias'))
    y = torch.einsum('dc,nc...->nd...', weight[..., 0, 0], z)
    return y + bias.view(-1, *(1,) * (z.dim() - 2))


def averaged(z, size):
    """Means over size×size parts, which overlap where they do not divide the map."""
    h, w = z.shape[-2:]

    def parts(n):
        return [slice(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]

    rows = [[z[..., a, b].mean((-2, -1)) for b in parts(w)] for a in parts(h)]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def normalized(z, p, name):
    groups = z.reshape(len(z), 32, -1)
    groups = groups - groups.mean(2, keepdim=True)
    groups = groups / (groups.square().mean(2, keepdim=True) + 1e-5).sqrt()
    weight, bias = (p[f'kernel_gen.{name}.0.{part}'] for part in ('weight', 'bias'))
    z = groups.reshape(z.shape) * weight[:, None, None] + bias[:, None, None]
    return torch.where(z > 0, z, 0.01 * z)


@pytest.mark.parametrize('cf, s, k', [(32, 2, 3), (64, 3, 5), (64, 1, 3)])
def test_the_formula(cf, s, k):
    upsampler = stirred(4, s, cf, up_kernel=k)
    x, f = maps(cf=cf, s=s)
    p = upsampler.state_dict()
    sides = []
    for name, norm in (('bconv_U', 'bnu'), ('bconv_V', 'bnv')):
        window = conv(averaged(f, 3 * s), p, name)[:, 0]
        side = torch.zeros(2, cf, 3, 2, dtype=torch.float64)
        for row in range(3):
            for column in range(2):
                for a in range(3 * s):
                    for b in range(3 * s):
                        u, v = s * row + a - s, s * column + b - s
                        if 0 <= u < 3 * s and 0 <= v < 2 * s:
                            side[..., row, column] += window[:, None, a, b] * f[..., u, v]
        sides.append(normalized(side, p, norm))
    affinity = (sides[0] * sides[1]).sum(1) / cf**0.5
    weights = conv(f.mean((2, 3)), p, 'bconv_UP')
    kernels = torch.zeros(2, k * k, s * 3, s * 2, dtype=torch.float64)
    for u in range(s * 3):
        for v in range(s * 2):
            for tap in range(k * k):
                weight = weights[:, tap * s * s + (u % s) * s + v % s]
                kernels[:, tap, u, v] = (weight * affinity[:, u // s, v // s]).sigmoid().exp()
    kernels = kernels / kernels.sum(1, keepdim=True)
    torch.testing.assert_close(upsampler.kernels(x, f), kernels)
    expected = carafe(x, kernels, scale_factor=s, backend='reference')
    torch.testing.assert_close(upsampler(x, f), expected)


def test_the_windows_are_a_strided_convolution():
    # as the authors compute it at 2×: a kernel of 6, a stride and a padding of 2
    upsampler = stirred(4, 2, 32)
    _, f = maps()
    window = torch.randn(2, 1, 6, 6, dtype=torch.float64)
    places = f.unflatten(3, (2, 2)).unflatten(2, (3, 2)).permute(0, 3, 5, 1, 2, 4).flatten(1, 3)
    ours = upsampler.kernel_gen._windowed(places, window, 'auto')
    for i in range(2):
        expected = torch.nn.functional.conv2d(f[i, :, None], window[i, None], None, 2, 2)[:, 0]
        torch.testing.assert_close(ours[i], expected)


def test_gradcheck_of_the_module():
    upsampler = stirred(2, 2, 32)
    x, f = (z[:1].requires_grad_() for z in maps(2, h=1))
    assert gradcheck(upsampler, (x, f))


def test_kernels_sum_to_one_and_no_weight_is_e_times_another():
    kernels = stirred(4, 2, 32).kernels(*maps())
    torch.testing.assert_close(kernels.sum(1), torch.ones_like(kernels[:, 0]))
    assert (kernels.amax(1) / kernels.amin(1)).max() < torch.e


def test_a_state_of_the_authors_loads():
    upsampler = A2U(64)
    state = {
        'kernel_gen.bnu.0.weight': (64,),
        'kernel_gen.bnu.0.bias': (64,),
        'kernel_gen.bnv.0.weight': (64,),
        'kernel_gen.bnv.0.bias': (64,),
        'kernel_gen.bconv_UP.1.weight': (36, 64, 1, 1),
        'kernel_gen.bconv_UP.1.bias': (36,),
        'kernel_gen.bconv_DP.1.weight': (36, 64, 1, 1),
        'kernel_gen.bconv_DP.1.bias': (36,),
        'kernel_gen.bconv_U.1.weight': (1, 64, 1, 1),
        'kernel_gen.bconv_U.1.bias': (1,),
        'kernel_gen.bconv_V.1.weight': (1, 64, 1, 1),
        'kernel_gen.bconv_V.1.bias': (1,),
    }
    upsampler.load_state_dict({name: torch.randn(size) for name, size in state.items()})


def test_a_guide_of_other_channels():
    with pytest.raises(ValueError, match='guide_channels must be a multiple of 32, but it is 48'):
        A2U(64, guide_channels=48)
