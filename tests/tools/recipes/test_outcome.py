"""What a training leaves to look at, whatever the data and the model."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from matplotlib import font_manager, rcParams
from mmengine.logging import MessageHub
from mmengine.structures import PixelData

from recipes import outcome
from recipes.outcome import drop_empty_segments, predict_alone, with_drawable_names

pytest.importorskip('mmdet')
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.visualization import DetLocalVisualizer  # noqa: E402
from mmengine.config import Config  # noqa: E402


@pytest.fixture(autouse=True)
def fonts():
    before = list(rcParams['font.sans-serif'])
    yield
    rcParams['font.sans-serif'] = before


def has_letters(letters):
    return any(
        set(map(ord, letters)) <= font_manager.get_font(entry.fname).get_charmap().keys()
        for entry in font_manager.fontManager.ttflist
    )


def test_names_in_ascii_stay():
    meta = dict(classes=('cat', 'dog'), palette=[(1, 2, 3)] * 2)
    assert with_drawable_names(meta, False) is meta and with_drawable_names(meta, True) is meta


def test_names_that_opencv_cannot_draw():
    meta = dict(classes=('café', '苹果', 'dog'))
    assert with_drawable_names(meta, True)['classes'] == ('cafe', 'class 1', 'dog')


@pytest.mark.parametrize('letters', ['é', '苹果', '\U0001f34e'])
def test_a_font_that_has_the_letters(letters):
    """Names stay where this machine has a font for them, and it is the one that is used."""
    meta = dict(classes=(letters, 'dog'))
    named = with_drawable_names(meta, False)
    if not has_letters(letters):
        assert named['classes'] == ('class 0', 'dog')
        return
    assert named is meta
    font = font_manager.get_font(
        font_manager.findfont(font_manager.FontProperties(family=['sans-serif']))
    )
    assert set(map(ord, letters)) <= font.get_charmap().keys()


def test_no_font_has_them(monkeypatch):
    monkeypatch.setattr(outcome, '_use_font', lambda letters: False)
    assert with_drawable_names(dict(classes=('苹果',)), False)['classes'] == ('class 0',)


def test_a_panoptic_prediction_of_nothing():
    """mmdet's visualizer stacks what there is not."""
    visualizer = DetLocalVisualizer(name='nothing')
    visualizer.dataset_meta = dict(classes=('cat', 'dog'), palette=[(1, 2, 3), (4, 5, 6)])
    image = np.full((40, 40, 3), 90, np.uint8)

    def draw(values):
        sample = DetDataSample()
        sample.pred_panoptic_seg = PixelData(sem_seg=torch.tensor(values)[None])
        drop_empty_segments(sample, 2)
        visualizer.add_datasample('nothing', image, sample, draw_gt=False)
        return visualizer.get_image()

    assert (draw(np.full((40, 40), 2)) == 90).all()
    half = np.full((40, 40), 2)
    half[:20] = 1000
    assert (draw(half) != 90).any()


@pytest.mark.parametrize(
    'scalars, words',
    [
        ({'val/coco/bbox_mAP': 0.25, 'train/loss': 1.0}, 'coco/bbox_mAP 0.25'),
        ({'val/time': 0.1}, 'nothing was detected'),
        ({'train/loss': 1.0}, 'not validated'),
    ],
)
def test_the_score(scalars, words):
    hub = MessageHub('score')
    for key, value in scalars.items():
        hub.update_scalar(key, value)
    assert words in outcome._score(SimpleNamespace(message_hub=hub))


def test_a_drawing_that_fails_ends_nothing(tmp_path, capsys, monkeypatch):
    def fail(runner, path):
        raise ValueError('need at least one array to stack')

    monkeypatch.setattr(outcome, 'draw_sheet', fail)
    (tmp_path / 'c.py').touch()
    runner = SimpleNamespace(
        work_dir=str(tmp_path),
        log_dir=str(tmp_path),
        timestamp='now',
        val_loop=object(),
        message_hub=MessageHub('fails'),
        cfg=Config(dict(default_scope='mmdet'), filename=str(tmp_path / 'c.py')),
    )
    outcome.conclude(runner, tmp_path)
    out = capsys.readouterr().out
    assert 'checkpoint  none was saved' in out
    assert out.index('checkpoint') < out.index('picture     not drawn (ValueError: need at least')


def test_predictions_alone(tmp_path):
    from mmdet.registry import METRICS

    cfg = Config(
        dict(
            test_dataloader=dict(dataset=dict(ann_file='test.json', data_prefix=dict(img='a'))),
            test_evaluator=[dict(type='CocoMetric', metric='bbox'), dict(type='VOCMetric')],
        )
    )
    predict_alone(cfg, tmp_path)
    assert [metric['type'] for metric in cfg.test_evaluator] == ['CocoMetric']
    assert METRICS.build(cfg.test_evaluator[0]).format_only


def test_depths_of_which_none_is_known():
    sample = SimpleNamespace(
        gt_depth_map=PixelData(data=torch.zeros(1, 4, 4)),
        pred_depth_map=PixelData(data=torch.rand(1, 4, 4)),
    )
    truth, found = outcome.draw_depths(sample)
    assert (truth == 0).all() and found.shape == (4, 4, 3)
    assert cv2.cvtColor(found, cv2.COLOR_RGB2GRAY).any()
