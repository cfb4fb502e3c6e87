"""SAPA-G and SAPA-I, which share what test_sapa.py says of SAPA-B."""

import pytest
import torch
import torch.nn.functional as F

from mmdyup import SAPAG, SAPAI
from mmdyup.ops import carafe, neighborhood_scores


def stirred(upsampler):
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return upsampler.double()


def maps(c, cf, s):
    return (
        torch.randn(2, c, 3, 2, dtype=torch.float64),
        torch.randn(2, cf, s * 3, s * 2, dtype=torch.float64),
    )


def normed(z, norm):
    return F.group_norm(z, 32, norm.weight, norm.bias)


def reassembled(x, query, key, k, s):
    scores = neighborhood_scores(query, key, k, s, 'reference')
    return carafe(x, scores.softmax(1), scale_factor=s, backend='reference')


def test_parameters():
    # three embeddings, a gate, two norms
    count = 3 * (256 * 32 + 32) + (256 + 1) + 4 * 256
    assert sum(p.numel() for p in SAPAG(256).parameters()) == count
    assert sum(p.numel() for p in SAPAI(256).parameters()) == 4 * 256


@pytest.mark.parametrize('cf, s, k', [(32, 2, 5), (96, 3, 3)])
def test_the_formula_of_sapa_g(cf, s, k):
    upsampler = stirred(SAPAG(64, s, cf, up_kernel=k, embed_channels=4))
    x, f = maps(64, cf, s)
    normed_x = normed(x, upsampler.norm_x)
    gate = F.interpolate(upsampler.gate(normed_x), scale_factor=s).sigmoid()
    nearest = F.interpolate(x, scale_factor=s)
    fine = upsampler.qy(normed(f, upsampler.norm_y))
    query = gate * fine + (1 - gate) * upsampler.qx(nearest)
    expected = reassembled(x, query, upsampler.k(normed_x), k, s)
    torch.testing.assert_close(upsampler(x, f), expected)


@pytest.mark.parametrize('s, k', [(2, 5), (3, 3)])
def test_the_formula_of_sapa_i(s, k):
    upsampler = stirred(SAPAI(64, s, up_kernel=k))
    x, f = maps(64, 64, s)
    query, key = normed(f, upsampler.norm_y), normed(x, upsampler.norm_x)
    torch.testing.assert_close(upsampler(x, f), reassembled(x, query, key, k, s))


def test_names_in_checkpoints():
    norms = ['norm_y.weight', 'norm_y.bias', 'norm_x.weight', 'norm_x.bias']
    convs = [f'{conv}.{p}' for conv in ('qy', 'qx', 'gate', 'k') for p in ('weight', 'bias')]
    assert list(SAPAG(32).state_dict()) == [*norms, *convs]
    assert list(SAPAI(32).state_dict()) == norms


def test_features_of_other_channels_cannot_be_compared():
    with pytest.raises(ValueError, match='SAPA-I compares .* 64 channels .* of 32, .*equal'):
        SAPAI(32, guide_channels=64)
