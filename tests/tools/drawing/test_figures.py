"""Figures: their colours, arrows and what stands in them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from drawing.closeups import describe, draw_closeup
from drawing.facts import facts_of
from drawing.features import Colours, draw_features
from drawing.grid import grid_of
from drawing.maps import arrow_scale, direction_colours, draw_displacements, draw_maps
from drawing.subjects import Call, Picture
from mmdyup import build_upsampler


def drawn_of(cfg):
    picture = Picture(Path('a.png'), np.zeros((64, 96, 3), np.uint8), (64, 90), (1.0, 1.0))
    upsampler = build_upsampler(cfg, 32).eval()
    x = torch.randn(1, 32, 8, 12)
    guide = torch.randn(1, 32, 16, 24) if upsampler.guided else None
    call = Call('it', upsampler, x, guide)
    return call, facts_of(call), grid_of(call, picture), picture


def titles(figure):
    return [ax.get_title() for ax in figure.axes if ax.get_title()]


def test_colours_do_not_depend_on_the_basis():
    rng = np.random.default_rng(0)
    # three directions of unlike strength, and little else
    maps = rng.normal(size=(3, 9, 7)) * np.array([9, 3, 1]).reshape(3, 1, 1)
    first, second = (
        np.tensordot(np.linalg.qr(rng.normal(size=(8, 8)))[0][:, :3], maps, 1) + rng.normal(size=1)
        for _ in range(2)
    )
    one, other = Colours(first)(first), Colours(second)(second)
    assert one.shape == (9, 7, 3) and one.min() == 0 and one.max() == 1
    for k in range(3):
        # a direction may be turned around
        a, b = one[..., k], other[..., k]
        assert np.allclose(a, b, atol=1e-6) or np.allclose(a, 1 - b, atol=1e-6)
        inner = (a > 0) & (a < 1)
        assert abs(np.corrcoef(a[inner], maps[k][inner])[0, 1]) > 0.9


def test_colours_of_few_channels_and_of_a_constant():
    assert Colours(np.random.randn(1, 4, 5))(np.zeros((1, 2, 3))).shape == (2, 3, 3)
    assert np.isfinite(Colours(np.ones((8, 4, 5)))(np.ones((8, 4, 5)))).all()
    assert np.isfinite(Colours(np.ones((8, 1, 1)))(np.ones((8, 2, 2)))).all()


def test_directions_have_colours():
    moved = np.array([[[1, -1, 0, 0, 0]], [[0, 0, 1, -1, 0]]]) * 0.3
    right, left, down, up, none = direction_colours(moved, 0.3)[0]
    np.testing.assert_allclose(right, (1, 0, 0))
    np.testing.assert_allclose(left, (0, 1, 1))
    np.testing.assert_allclose(down, (0.5, 1, 0), atol=0.01)
    np.testing.assert_allclose(up, (0.5, 0, 1), atol=0.01)
    np.testing.assert_allclose(none, (1, 1, 1))


@pytest.mark.parametrize('length, times', [(0.001, 512), (0.5, 1), (3, 0.125), (0, 1)])
def test_arrows_are_as_long_as_they_have_room(length, times):
    assert arrow_scale(np.full((2, 3, 3), length / 2**0.5), 0.6) == times


def test_features_beside_nearest_and_bilinear():
    assert titles(draw_features(*drawn_of(dict(type='DySample')))) == [
        'picture',
        'nearest',
        'bilinear',
        'DySample',
    ]
    call, *rest = drawn_of(dict(type='FreqFusion'))
    figure = draw_features(call, *rest)
    assert titles(figure)[3:] == [
        'FreqFusion',
        'guide (colours of its own)',
        'guide, as it was changed',
    ]


def test_an_untrained_dysample_looks_bilinear():
    call, facts, grid, picture = drawn_of(dict(type='DySample'))
    axes = draw_features(call, facts, grid, picture).axes
    bilinear, own = (np.asarray(ax.images[0].get_array()) for ax in axes[2:4])
    np.testing.assert_allclose(own, bilinear, atol=0.01)


def test_displacements_have_an_arrow_map_and_a_panel_for_each_group():
    call, facts, grid, picture = drawn_of(dict(type='DySample', groups=2))
    figure = draw_displacements(facts, grid, picture)
    assert len(titles(figure)) == 5
    assert titles(figure)[2:4] == ['direction in group 1 of 2', 'direction in group 2 of 2']
    arrows = figure.axes[0].collections[0]
    times = float(titles(figure)[0].split()[2])
    # an arrow's length over the picture, at its position
    x, y = arrows.get_offsets()[0]
    row, column = grid.at(x, y)
    expected = facts.moved.mean(0)[:, row, column] * grid.stride * times
    np.testing.assert_allclose((arrows.U[0], arrows.V[0]), expected, rtol=1e-5)


MAPS = {
    'carafe': (dict(type='CARAFE'), ['reach']),
    'fade': (dict(type='FADE'), ['reach', 'gates']),
    'indexnet': (dict(type='IndexNet'), ['index']),
    'dysample': (dict(type='DySample'), []),
    'frfu': (dict(type='FRFU'), ['reach', 'scopes']),
    'sapa_d': (dict(type='SAPAD'), ['reach']),
}


@pytest.mark.parametrize('name', MAPS)
def test_maps_that_there_are(name):
    cfg, names = MAPS[name]
    _, facts, grid, picture = drawn_of(cfg)
    assert list(draw_maps(facts, grid, picture)) == names


def test_a_closeup_draws_points_where_they_are():
    _, facts, grid, picture = drawn_of(dict(type='DySample', groups=2))
    facts.points = facts.starts + np.array([0.5, -1]).reshape(2, 1, 1)
    near = draw_closeup(facts, grid, picture, (4, 7)).axes[1]
    own = np.concatenate([c.get_offsets() for c in near.collections if len(c.get_offsets()) == 1])
    # a position is 4 pixels wide; half a coarse pixel to the right, one up
    np.testing.assert_allclose(own, [[4 * 7 + 1.5 + 4, 4 * 4 + 1.5 - 8]] * 2, rtol=1e-5)
    assert near.get_xlim()[0] < own[0, 0] < near.get_xlim()[1]


def test_a_closeup_writes_a_kernel_in_percent():
    _, facts, grid, picture = drawn_of(dict(type='CARAFE'))
    _, near, kernel = draw_closeup(facts, grid, picture, (4, 7)).axes
    written = [int(text.get_text()) for text in kernel.texts]
    expected = 100 * facts.kernels[0, :, :, 4, 7].flatten()
    np.testing.assert_allclose(written, expected, atol=0.51)
    # taps of the cell (2, 3), whose middle is a coarse pixel's
    left = [patch.get_x() for patch in near.patches]
    assert len(left) == 25 and min(left) == pytest.approx(8 * (3 - 2) - 0.5)


def test_two_levels_of_kernels_have_two_grids():
    _, facts, grid, picture = drawn_of(dict(type='FreqFusion'))
    figure = draw_closeup(facts, grid, picture, (4, 7))
    assert titles(figure)[2:] == ['kernel, percent', 'taken from twice the finer level, percent']


def test_a_position_in_words():
    _, facts, grid, _ = drawn_of(dict(type='FADE'))
    gate, reach = facts.gates[2, 3], facts.reach(2)[4, 7]
    expected = f'row 4, column 7 of 16×24; reach {reach:.2f}; gate {gate:.2f}'
    assert describe(facts, grid, (4, 7)) == expected
    _, facts, grid, _ = drawn_of(dict(type='DySample'))
    facts.points = facts.starts + np.array([0.5, -1]).reshape(2, 1, 1)
    words = describe(facts, grid, (4, 7))
    assert words == (
        'row 4, column 7 of 16×24; moved by (+0.5, -1) low-resolution pixels; scope 0.25'
    )
