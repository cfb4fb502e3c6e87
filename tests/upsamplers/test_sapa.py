import pytest
import torch
from torch.autograd import gradcheck

from mmdyup import SAPA
from mmdyup.ops import carafe, neighborhood_scores


def stirred(*args, **options):
    upsampler = SAPA(*args, **options).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return upsampler


def maps(c=32, cf=32, h=3, w=2, s=2):
    return (
        torch.randn(2, c, h, w, dtype=torch.float64),
        torch.randn(2, cf, s * h, s * w, dtype=torch.float64),
    )


def test_parameters_of_the_paper():
    assert sum(p.numel() for p in SAPA(256).parameters()) == 17_472


@pytest.mark.parametrize('cf, s, k', [(32, 2, 5), (96, 3, 3)])
def test_the_formula(cf, s, k):
    upsampler = stirred(64, s, cf, up_kernel=k, embed_channels=4)
    x, f = maps(64, cf, s=s)
    p = upsampler.state_dict()

    def embedded(z, norm, conv):
        groups = z.reshape(2, 32, -1)
        groups = groups - groups.mean(2, keepdim=True)
        groups = groups / (groups.square().mean(2, keepdim=True) + 1e-5).sqrt()
        z = groups.reshape(z.shape) * p[f'{norm}.weight'][:, None, None]
        z = z + p[f'{norm}.bias'][:, None, None]
        return (
            torch.einsum('dc,nchw->ndhw', p[f'{conv}.weight'][..., 0, 0], z)
            + p[f'{conv}.bias'][:, None, None]
        )

    query, key = embedded(f, 'norm_y', 'q'), embedded(x, 'norm_x', 'k')
    scores = torch.zeros(2, k * k, s * 3, s * 2, dtype=torch.float64)
    for u in range(s * 3):
        for v in range(s * 2):
            for a in range(k):
                for b in range(k):
                    row, column = u // s + a - k // 2, v // s + b - k // 2
                    if 0 <= row < 3 and 0 <= column < 2:
                        dots = query[:, :, u, v] * key[:, :, row, column]
                        scores[:, a * k + b, u, v] = dots.sum(1)
    kernels = scores.exp() / scores.exp().sum(1, keepdim=True)
    torch.testing.assert_close(upsampler.kernels(x, f), kernels)
    torch.testing.assert_close(
        upsampler(x, f), carafe(x, kernels, scale_factor=s, backend='reference')
    )


def test_kernels_sum_to_one():
    x, f = maps()
    sums = stirred(32).kernels(x, f).sum(1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_like_meets_like():
    # two halves, seen by the guide along another edge than the coarse map has it
    upsampler = SAPA(32, up_kernel=3, embed_channels=32)
    with torch.no_grad():
        for conv in (upsampler.q, upsampler.k):
            conv.weight.copy_(4 * torch.eye(32)[..., None, None])
    x, f = -torch.ones(1, 32, 4, 4), -torch.ones(1, 32, 8, 8)
    x[..., 2:], f[..., 3:] = 1, 1
    inner = upsampler(x, f)[..., 2:-2, :]
    torch.testing.assert_close(inner, f[..., 2:-2, :])


def test_gradcheck_of_the_module():
    upsampler = stirred(32, up_kernel=3, embed_channels=2)
    x, f = (z[:1].requires_grad_() for z in maps(h=1))
    assert gradcheck(upsampler, (x, f), fast_mode=True)


def test_names_in_checkpoints():
    state = SAPA(64, guide_channels=32).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        'norm_y.weight': (32,),
        'norm_y.bias': (32,),
        'norm_x.weight': (64,),
        'norm_x.bias': (64,),
        'q.weight': (32, 32, 1, 1),
        'q.bias': (32,),
        'k.weight': (32, 64, 1, 1),
        'k.bias': (32,),
    }


def test_half_precision_compares_in_float32():
    # in bfloat16 the scores 256 and 256 + 0.5 are the same
    upsampler = SAPA(32, up_kernel=3, embed_channels=2).bfloat16()
    query = torch.tensor([16.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 6, 6).bfloat16()
    key = torch.tensor([16.0, 0.0]).view(1, 2, 1, 1).repeat(1, 1, 3, 3).bfloat16()
    key[0, 1, 1, 1] = 0.5
    upsampler.q, upsampler.k = (torch.nn.Sequential() for _ in range(2))
    upsampler.norm_y, upsampler.norm_x = upsampler.q, upsampler.k
    kernels = upsampler.kernels(key, query)
    torch.testing.assert_close(kernels[0, 4, 2, 2] / kernels[0, 0, 2, 2], torch.tensor(0.5).exp())


def test_the_backend_makes_the_scores_too():
    x, f = (z.float() for z in maps())
    with pytest.raises(ValueError, match='backend must be one of .* for neighborhood_scores'):
        SAPA(32, backend='slide rule').kernels(x, f)
    # mmcv has nothing for them
    assert SAPA(32, backend='mmcv').kernels(x, f).shape == (2, 25, 6, 4)


def test_the_papers_own_code_by_its_states():
    """LayerNorm over channels, and nn.Linear, whose weights have two dimensions."""
    torch.manual_seed(1)
    x, f = maps(c=12, cf=20)
    state = {
        'norm_y.weight': torch.randn(20),
        'norm_y.bias': torch.randn(20),
        'norm_x.weight': torch.randn(12),
        'norm_x.bias': torch.randn(12),
        'q.weight': torch.randn(8, 20),
        'q.bias': torch.randn(8),
        'k.weight': torch.randn(8, 12),
        'k.bias': torch.randn(8),
    }
    upsampler = SAPA(12, guide_channels=20, embed_channels=8, norm='layer').double()
    upsampler.load_state_dict(state)
    p = {name: value.double() for name, value in state.items()}

    def embedded(z, norm, linear):
        z = z.movedim(1, -1)
        z = z - z.mean(-1, keepdim=True)
        z = z / (z.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        z = z * p[f'{norm}.weight'] + p[f'{norm}.bias']
        return (z @ p[f'{linear}.weight'].T + p[f'{linear}.bias']).movedim(-1, 1)

    query, key = embedded(f, 'norm_y', 'q'), embedded(x, 'norm_x', 'k')
    scores = neighborhood_scores(query, key, 5, 2, 'reference')
    torch.testing.assert_close(upsampler.kernels(x, f), scores.softmax(1))


def test_groups_do_not_take_states_of_layers():
    state = SAPA(32, norm='layer').state_dict()
    state['q.weight'] = state['q.weight'][..., 0, 0]
    with pytest.raises(RuntimeError, match='size mismatch for q.weight'):
        SAPA(32).load_state_dict(state)
    with pytest.raises(ValueError, match="norm must be 'group' or 'layer', but it is 'batch'"):
        SAPA(32, norm='batch')
