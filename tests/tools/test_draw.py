"""tools/draw.py as a person uses it."""

import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from drawing.grid import grid_of
from drawing.subjects import Picture, caught, upsamplers_of
from mmdyup import build_upsampler, list_upsamplers

pytest.importorskip('mmdet')
pytestmark = pytest.mark.usefixtures('elsewhere')

ROOT = Path(__file__).parents[2]
DRAW = runpy.run_path(str(ROOT / 'tools/draw.py'))
DETECTOR = str(ROOT / 'configs/faster_rcnn_dysample.py')


@pytest.fixture
def picture(tmp_path):
    """Bright discs on a dark ground, 90×70."""
    image = np.full((70, 90, 3), 40, np.uint8)
    for x, y in ((20, 20), (60, 40)):
        cv2.circle(image, (x, y), 12, (200, 90, 60), -1)
    file = tmp_path / 'discs.png'
    cv2.imwrite(str(file), image)
    return str(file)


def sentence(*argv):
    with pytest.raises(SystemExit) as stop:
        DRAW['main']([str(word) for word in argv])
    message = stop.value.code
    assert isinstance(message, str) and '\n' not in message and message.endswith('.')
    return message


def run(*argv):
    DRAW['main']([str(word) for word in argv])
    return {str(file.relative_to('draw')) for file in Path('draw').rglob('*.*')}


class Pyramid(torch.nn.Module):
    """Two levels and their merge, the finer one of a size that was rounded up."""

    def __init__(self, cfg, direct=False):
        super().__init__()
        self.up = build_upsampler(cfg, 32)
        self.plain = build_upsampler(dict(type='nearest'), 32)
        self.direct = direct

    def forward(self, x, fine):
        if self.direct:
            return self.up(x, fine)
        return self.plain.meet(*self.up.meet(x, fine))


@pytest.mark.parametrize('name', list_upsamplers())
def test_what_an_upsampler_is_given_is_caught(name):
    model = Pyramid(list_upsamplers()[name]).eval()
    x, fine = torch.randn(1, 32, 5, 6), torch.randn(1, 32, 10, 12)
    model.plain = torch.nn.Identity()
    model.plain.meet = lambda y, fine: (y, fine)
    expected = model(x, fine)
    with caught(model) as calls:
        model(x, fine)
        # of several calls the first counts
        model(x + 1, fine)
    (call,) = calls
    assert call.name == 'up' and call.upsampler is model.up and torch.equal(call.x, x)
    assert torch.equal(call.guide, fine) if model.up.guided else call.guide is None
    assert torch.equal(
        call.upsampler.fuse(*call.maps, *[None] * (2 - len(call.maps)))[0], expected[0]
    )
    # and all is as it was
    assert 'fuse' not in vars(model.up) and not model.up._forward_pre_hooks


def test_a_direct_call_is_caught_and_interpolations_are_not():
    model = Pyramid(dict(type='FADE'), direct=True).eval()
    x, fine = torch.randn(1, 32, 5, 6), torch.randn(1, 32, 10, 12)
    with caught(model) as calls:
        model(x, guide := fine)
    assert torch.equal(calls[0].guide, guide) and list(upsamplers_of(model)) == ['up']


@pytest.mark.slow
@pytest.mark.parametrize('name', list_upsamplers())
def test_every_upsampler_is_drawn(name, tmp_path):
    model = Pyramid(list_upsamplers()[name], direct=True).eval()
    with caught(model) as calls:
        model(torch.randn(1, 32, 5, 6), torch.randn(1, 32, 10, 12))
    seen = Picture(Path('a.png'), np.zeros((40, 48, 3), np.uint8), (40, 48), (1.0, 1.0))
    args = DRAW['parse_args']([DETECTOR, 'a.png', '--positions', '1', '--at', '3', '4'])
    grid = grid_of(calls[0], seen)
    section = DRAW['draw_call'](args, calls[0], grid, seen, tmp_path / 'a' / 'up')
    assert len(section.closeups) == 2 and section.closeups[0][1].startswith('row 1, column 0 ')
    # something beside the features is seen of each
    assert len(section.figures) + len(section.closeups) >= 3
    for file in [*section.figures.values(), *(file for file, _ in section.closeups)]:
        assert cv2.imread(str(file)).std() > 0


CONFIGS = {
    'mask_rcnn_dysample': 4,
    'panoptic_fpn_fade': 3,
    'segformer_b1_carafe': 6,
    'depthformer_swin_t_dlu': 4,
}


@pytest.mark.slow
@pytest.mark.parametrize('name', CONFIGS)
def test_an_untrained_model_of_each_kind(name, picture, capsys):
    config = str(ROOT / f'configs/{name}.py')
    files = run(config, picture, '--tiny', '--positions', '1')
    assert 'draw.html' in files
    closeups = [file for file in files if file.endswith('position_1.png')]
    assert len(closeups) == CONFIGS[name]
    assert len([file for file in files if file.endswith('features.png')]) == CONFIGS[name]
    assert f'Drawn: {CONFIGS[name]} upsamplers on discs.png' in capsys.readouterr().out
    page = Path('draw/draw.html').read_text()
    assert 'untrained' in page and all(file.split('/')[1] in page for file in closeups)


@pytest.mark.slow
def test_a_checkpoint_and_two_pictures(picture, tmp_path):
    init_default_scope('mmdet')
    args = DRAW['parse_args']([DETECTOR, picture, '--tiny'])
    model = DRAW['prepare'](args)[1]
    neck = model.neck.upsample_modules[0]
    torch.nn.init.zeros_(neck.offset.weight)
    # half a pixel to the right, a quarter of the unscaled 2
    bias = torch.zeros(2, 16)
    bias[0] = 2
    neck.offset.bias.data = bias.flatten()
    torch.save(dict(state_dict=model.state_dict(), meta={}), 'it.pth')
    other = tmp_path / 'other.png'
    cv2.imwrite(str(other), cv2.imread(picture)[:, ::-1])
    files = run(DETECTOR, 'it.pth', picture, other, '--tiny', '--positions', '1', '--at', 45, 35)
    assert '1_discs/neck.upsample_modules.3/position_2.png' in files
    assert '2_other/neck.upsample_modules.0/displacement.png' in files
    page = Path('draw/draw.html').read_text()
    assert 'the weights of it.pth' in page and page.count('moved by (+0.5, +0)') == 4


def test_what_cannot_be_drawn_is_said(picture, tmp_path):
    assert sentence('none.py', picture) == 'There is no config file none.py.'
    assert 'There is no checkpoint lost.pth' in sentence(DETECTOR, 'lost.pth', picture)
    assert 'Give a picture to draw on' in sentence(DETECTOR, 'lost.pth')
    assert '--positions must be' in sentence(DETECTOR, picture, '--positions', 0)
    assert '--positions must be' in sentence(DETECTOR, picture, '--positions', -1, '--at', 1, 1)

    text = tmp_path / 'notes.png'
    text.write_text('not a picture')
    assert sentence(DETECTOR, 'lost.png') == 'There is no picture lost.png.'
    assert 'is no picture that can be read' in sentence(DETECTOR, text)


@pytest.mark.slow
def test_what_the_model_shows_to_be_wrong_is_said(picture):
    assert 'has anything to draw' in sentence(ROOT / 'configs/faster_rcnn_nearest.py', picture)
    assert '--out' in sentence(DETECTOR, picture, '--tiny', '--out', f'{picture}/in')
    outside = sentence(DETECTOR, picture, '--tiny', '--at', 90, 10)
    assert f'--at 90 10 lies outside of {picture}, which has 90×70 pixels' in outside
    torch.save(dict(state_dict=dict(a=torch.zeros(1))), 'other.pth')
    assert 'weights of another model' in sentence(DETECTOR, 'other.pth', picture, '--tiny')
