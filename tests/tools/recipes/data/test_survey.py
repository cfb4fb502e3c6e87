"""Looking at files: what is seen, and what is remembered of it."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from recipes.data import survey as module
from recipes.data.survey import (
    look_at_map,
    look_at_picture,
    look_at_segments,
    shown_size,
    survey,
)

PIXELS = np.random.default_rng(0).integers(0, 255, (30, 50, 3), dtype=np.uint8)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'bmp', 'tif', 'webp', 'gif'])
def test_sizes(tmp_path, suffix):
    path = str(tmp_path / f'a.{suffix}')
    Image.fromarray(PIXELS).save(path)
    assert look_at_picture(path) == [50, 30, 1, 8, '']


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif(tmp_path, orientation):
    """Against the size that OpenCV, and so training, gives."""
    path = str(tmp_path / 'a.jpg')
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(PIXELS).save(path, exif=exif)
    seen = look_at_picture(path)
    assert seen[:3] == [50, 30, orientation]
    assert shown_size(seen) == cv2.imread(path).shape[1::-1]


@pytest.mark.parametrize('suffix', ['png', 'tif'])
@pytest.mark.parametrize('channels', [1, 3])
def test_sixteen_bits(tmp_path, suffix, channels):
    path = str(tmp_path / f'a.{suffix}')
    cv2.imwrite(path, PIXELS[..., :channels].astype(np.uint16) * 9)
    assert look_at_picture(path)[3] == 16


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_what_is_cut_off(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(PIXELS).save(path)
    whole = path.read_bytes()
    assert look_at_picture(str(path))[4] == ''
    path.write_bytes(whole[:-20])
    assert look_at_picture(str(path))[4] in ('cut off', 'unreadable')
    path.write_bytes(whole[:30])
    assert look_at_picture(str(path))[4] == 'unreadable'
    path.write_bytes(b'')
    assert look_at_picture(str(path))[4] == 'empty'
    path.write_text('<html>404</html>')
    assert look_at_picture(str(path))[4] == 'unreadable'


def test_values_of_maps(tmp_path):
    path = str(tmp_path / 'a.png')
    labels = np.array([[0, 0, 3], [255, 3, 3]], np.uint8)
    Image.fromarray(labels).save(path)
    assert look_at_map(path) == [3, 2, 8, '', [[0, 2], [3, 3], [255, 1]]]
    Image.fromarray(labels > 0).save(path)
    assert look_at_map(path) == [3, 2, 8, '', [[0, 2], [1, 4]]]
    depths = np.arange(4000, dtype=np.uint16).reshape(40, 100)
    Image.fromarray(depths).save(path)
    width, height, bits, problem, values = look_at_map(path)
    assert (width, height, bits, problem) == (100, 40, 16, '')
    assert [value for value, _ in values] == [0, 1, 2000, 3999]
    assert sum(count for _, count in values) == 4000 and values[0][1] == 1
    Image.fromarray(PIXELS).save(path)
    assert look_at_map(path)[3] == 'colours'


def test_segments(tmp_path):
    path = str(tmp_path / 'a.png')
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[0] = (7, 2, 1)
    Image.fromarray(colours).save(path)
    assert look_at_segments(path) == [3, 2, '', [[0, 3], [7 + 512 + 65536, 3]]]
    Image.fromarray(colours[..., 0]).save(path)
    assert look_at_segments(path)[2] == 'gray'


@pytest.fixture
def files(tmp_path):
    for name in 'abc':
        Image.fromarray(PIXELS).save(tmp_path / f'{name}.png')
    return [str(tmp_path / f'{name}.png') for name in 'abc']


def test_what_is_remembered(files, tmp_path, monkeypatch):
    """Unless a file's time or size changes, also by another process."""
    asked = []

    def look_at_picture(path):
        asked.append(path)
        return module.look_at_picture(path)

    cache = tmp_path / '.seen.json'
    paths = [*files, str(tmp_path / 'none.png')]
    found = survey(look_at_picture, paths, cache, '')
    assert found == [[50, 30, 1, 8, '']] * 3 + [[]]
    assert survey(look_at_picture, paths, cache, '') == found and asked == files
    monkeypatch.setattr(module, '_remembered', {})
    assert survey(look_at_picture, paths, cache, '') == found and asked == files
    Image.fromarray(PIXELS[:9]).save(files[1])
    assert survey(look_at_picture, files, cache, '')[1] == [50, 9, 1, 8, '']
    assert asked == [*files, files[1]]
    monkeypatch.setattr(module, '_remembered', {})
    cache.write_text('{"version": 1, "look')
    assert survey(look_at_picture, files, cache, '')[1] == [50, 9, 1, 8, '']
    assert json.loads(cache.read_text())['look_at_picture'].keys() == set(files)


def test_a_folder_that_cannot_be_written(files, tmp_path):
    cache = tmp_path / 'nowhere/.seen.json'
    assert survey(look_at_picture, files, cache, '') == [[50, 30, 1, 8, '']] * 3


def test_other_processes_see_the_same(files, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'ALONE', 2)
    assert survey(look_at_picture, files, tmp_path / '.seen', '') == [[50, 30, 1, 8, '']] * 3


def test_the_bar_comes_late(capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(module.Progress, 'start', lambda self: shown.append(self))
    assert list(module.with_bar(range(3), 3, 'Reading')) == [0, 1, 2] and not shown
    monkeypatch.setattr(module, 'PATIENCE', -1)
    assert list(module.with_bar(range(3), 3, 'Reading')) == [0, 1, 2] and len(shown) == 1
