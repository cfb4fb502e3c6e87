"""Scores out of the folders of a run; the Runner of mmengine writes its config itself."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

import mmdyup  # noqa: F401
from papers.published import load_table
from papers.scores import Run, find_run

CONFIGS = Path(__file__).parents[3] / 'configs'
TEXT = """
model = dict(type='Net', backbone=dict(depth=50, init_cfg=dict(type='Pretrained')))
train_cfg = dict(max_epochs=12, val_interval=1)
train_dataloader = dict(batch_size=2, dataset=dict(
    type='CocoDataset', data_root='data/coco/', ann_file='annotations/train.json'))
val_dataloader = dict(dataset=dict(
    type='CocoDataset', data_root='data/coco/', ann_file='annotations/val2017.json'))
"""
METRICS = load_table('faster_rcnn').metrics
TRAIN = dict(loss=1.0, step=50)


def line(value, **more):
    return dict({'coco/bbox_mAP': value, 'coco/bbox_mAP_50': 0.6}, **more)


@pytest.fixture
def made(tmp_path):
    """Writes the folder of a run of the config, edited."""
    (tmp_path / 'config.py').write_text(TEXT)

    def make(stamp, *lines, edit=lambda cfg: None, test=None):
        cfg = Config.fromfile(tmp_path / 'config.py')
        edit(cfg)
        folder = tmp_path / stamp
        (folder / 'vis_data').mkdir(parents=True)
        cfg.dump(folder / 'vis_data/config.py')
        text = '\n'.join(text if isinstance(text, str) else json.dumps(text) for text in lines)
        (folder / 'vis_data/scalars.json').write_text(text)
        if test:
            (folder / f'{stamp}.json').write_text(json.dumps(test))
        return str(folder)

    return make


def found(tmp_path):
    return find_run(tmp_path, tmp_path / 'config.py', METRICS)


def test_nothing_there(tmp_path, made):
    assert found(tmp_path) == Run('not run')
    made('20260101_000000', TRAIN)
    assert found(tmp_path) == Run('not run')


def test_the_last_validation_of_the_newest_run(tmp_path, made):
    made('20260101_000000', line(0.9, step=12))
    folder = made(
        '20260102_000000', TRAIN, line(0.2, step=1), TRAIN, line(0.386, step=12), '{"coco/bbox_m'
    )
    made('20260103_000000', TRAIN)
    run = found(tmp_path)
    assert (run.status, run.folder, run.at) == ('run', folder, 'validated at step 12')
    assert run.scores == pytest.approx({'AP': 38.6, 'AP50': 60.0})


def test_a_test(tmp_path, made):
    made('20260102_000000', test=line(0.4))
    run = found(tmp_path)
    assert run.at == 'tested' and run.scores['AP'] == pytest.approx(40)


def test_the_best_validation_and_the_last(tmp_path, made):
    folder = made(
        '20260101_000000', line(0.3, step=1), TRAIN, line(0.39, step=2), line(0.386, step=3)
    )
    run = find_run(tmp_path, tmp_path / 'config.py', METRICS, best=True)
    assert (run.folder, run.at) == (folder, 'validated at step 3; best of 3 at step 2')
    assert run.scores == pytest.approx({'AP': 39, 'AP50': 60})
    assert run.last == pytest.approx({'AP': 38.6, 'AP50': 60})


@pytest.mark.parametrize(
    'lines, test, at',
    [
        ([line(0.386, step=3)], None, 'validated at step 3'),
        ([line(0.4, step=1), line(0.39, step=3)], line(0.386), 'tested'),
    ],
)
def test_nothing_to_choose_the_best_from(tmp_path, made, lines, test, at):
    made('20260101_000000', *lines, test=test)
    run = find_run(tmp_path, tmp_path / 'config.py', METRICS, best=True)
    assert run.at == at and not run.last and run.scores['AP'] == pytest.approx(38.6)


@pytest.mark.parametrize(
    'edit',
    [
        lambda cfg: cfg.model.backbone.update(depth=18),
        lambda cfg: cfg.model.backbone.update(init_cfg=None),
        lambda cfg: cfg.train_cfg.update(max_epochs=1),
        lambda cfg: cfg.val_dataloader.dataset.update(ann_file='val.json'),
        lambda cfg: cfg.train_dataloader.dataset.update(metainfo=dict(classes=('a',))),
    ],
)
def test_another_config_does_not_count(tmp_path, made, edit):
    folder = made('20260102_000000', line(0.9), edit=edit)
    assert found(tmp_path) == Run('not this config', folder)
    own = made('20260101_000000', line(0.4))
    assert found(tmp_path).folder == own


def test_what_does_not_make_another_config(tmp_path, made):
    def edit(cfg):
        cfg.train_dataloader.dataset.data_root = '/elsewhere/coco/'
        cfg.train_dataloader.batch_size = 4
        cfg.train_cfg.val_interval = 3

    made('20260102_000000', line(0.4), edit=edit)
    assert found(tmp_path).status == 'run'


@pytest.mark.slow
def test_as_mmengine_writes_it(tmp_path):
    pytest.importorskip('mmdet')
    cfg = Config.fromfile(CONFIGS / 'faster_rcnn_dysample.py')
    cfg.work_dir = str(tmp_path)
    cfg.model.backbone.depth = 18
    cfg.model.neck.in_channels = [64, 128, 256, 512]
    config = tmp_path / 'same.py'
    cfg.dump(config)
    runner = Runner.from_cfg(cfg)
    runner.visualizer.add_scalars(line(0.386), step=12)
    run = find_run(tmp_path, config, METRICS)
    assert (run.status, run.at) == ('run', 'validated at step 12')
