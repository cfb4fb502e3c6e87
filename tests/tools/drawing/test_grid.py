from pathlib import Path

import numpy as np
import pytest
import torch

from drawing.grid import Grid, choose_positions, grid_of
from drawing.subjects import Call, Picture
from mmdyup import build_upsampler


def picture(height, width, inside=None):
    image = np.zeros((height, width, 3), np.uint8)
    return Picture(Path('a.png'), image, inside or (height, width), (1.0, 1.0))


def call(h, w, s=2):
    return Call('it', build_upsampler(dict(type='DySample'), 4, s), torch.zeros(1, 4, h, w), None)


@pytest.mark.parametrize(
    'height, width, h, w, stride',
    # sizes halved and rounded up, 2 to 6 times
    [(480, 640, 15, 20, 32), (416, 544, 7, 9, 64), (512, 683, 16, 22, 32), (37, 50, 10, 13, 4)],
)
def test_a_coarse_pixel_is_a_power_of_two_wide(height, width, h, w, stride):
    grid = grid_of(call(h, w), picture(height, width))
    assert grid.stride == stride and grid.size == (2 * h, 2 * w)


def test_features_of_regions_have_no_grid():
    regions = call(14, 14)
    assert grid_of(regions, picture(480, 640)) is None
    regions.x = torch.zeros(3, 4, 15, 20)
    assert grid_of(regions, picture(480, 640)) is None


def test_output_positions_on_the_picture():
    grid = grid_of(call(4, 6), picture(64, 96))
    assert grid.stride == 16
    # pixels 8 to 15 of the picture are one position of the fine grid, whose middle is 11.5
    for row, column in [(0, 1), (3, 7)]:
        x, y = grid.on_picture(grid.position(row, column))
        assert (x, y) == (8 * column + 3.5, 8 * row + 3.5)
        assert grid.at(x, y) == (row, column)
    assert grid.extent == (-0.5, 95.5, 63.5, -0.5)


def test_the_padding_is_left_out():
    grid = grid_of(call(4, 6), picture(64, 96, inside=(50, 70)))
    assert grid.inside == (7, 9)
    score = np.arange(8 * 12).reshape(8, 12)
    assert choose_positions(score, grid, 1, []) == [(6, 8)]


def test_positions_lie_apart_and_the_chosen_come_first():
    grid = Grid(8, 2, (32, 32), (32, 32))
    score = np.zeros((32, 32))
    score[10, 10], score[11, 12], score[20, 5], score[3, 28] = 9, 8, 7, 6
    assert choose_positions(score, grid, 3, []) == [(10, 10), (20, 5), (3, 28)]
    assert choose_positions(score, grid, 2, [(19, 6)]) == [(19, 6), (10, 10), (3, 28)]
    assert choose_positions(score, grid, 0, [(1, 1)]) == [(1, 1)]


def test_the_border_is_left_out_where_there_is_enough_else():
    score = np.zeros((16, 12))
    score[1, 5], score[8, 10], score[2, 9] = 3, 2, 1
    assert choose_positions(score, Grid(8, 2, (16, 12), (16, 12)), 1, []) == [(2, 9)]
    assert choose_positions(score[:8], Grid(8, 2, (8, 12), (8, 12)), 1, []) == [(1, 5)]


def test_no_more_positions_than_there_are():
    grid = Grid(32, 2, (2, 2), (2, 2))
    assert 1 <= len(choose_positions(np.ones((2, 2)), grid, 8, [])) <= 4
