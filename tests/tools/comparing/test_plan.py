"""Which runs there are, in which order, and what makes them other runs."""

import shutil

import pytest
from mmengine.config import Config

from comparing.metrics import find_metric
from comparing.plan import SEEDS_AGAIN, data_digest, digest, make_plan, validate_often
from comparing.variants import Variant

LOADER = dict(dataset=dict(ann_file='a.json', data_prefix=dict(img='images')))


@pytest.fixture
def cfg(tmp_path):
    (tmp_path / 'data/images').mkdir(parents=True)
    (tmp_path / 'data/a.json').write_text('{}')
    (tmp_path / 'data/images/one.png').write_bytes(b'12345')
    dataset = dict(LOADER['dataset'], data_root=str(tmp_path / 'data'))
    loop = dict(max_iters=200, val_interval=150)
    return Config(dict(train_dataloader=dict(dataset=dataset), train_cfg=loop, work_dir='a'))


def planned(cfg, tmp_path, seeds=4, cache=False, processes=1):
    variants = [Variant(name, cfg) for name in ('nearest', 'dysample')]
    metric = find_metric('mIoU')
    baselines = ('nearest',)
    return make_plan(tmp_path, variants, variants[0], seeds, metric, baselines, cache, processes)


def test_seeds_outside_and_variants_inside(cfg, tmp_path):
    runs = planned(cfg, tmp_path).runs
    assert [(run.seed, run.variant) for run in runs[:4]] == [
        (0, 'nearest'),
        (0, 'nearest again'),
        (0, 'dysample'),
        (1, 'nearest'),
    ]
    again = [run for run in runs if run.variant == 'nearest again']
    assert len(again) == SEEDS_AGAIN and all(run.disturbed for run in again)
    assert again[0].config == runs[0].config
    assert Config.fromfile(runs[0].config).train_cfg.max_iters == 200


def test_a_key_is_of_all_that_a_run_depends_on(cfg, tmp_path):
    first = [run.key for run in planned(cfg, tmp_path).runs]
    assert len({*first}) == len(first) - 4, 'the two variants are the same config here'
    assert first == [run.key for run in planned(cfg, tmp_path, seeds=5).runs][: len(first)]
    cfg.work_dir = 'b'
    assert first == [run.key for run in planned(cfg, tmp_path).runs]
    assert not {*first} & {run.key for run in planned(cfg, tmp_path, cache=True).runs}
    others = [planned(cfg, tmp_path, processes=processes) for processes in (2, 3)]
    assert len({*first, *(run.key for plan in others for run in plan.runs)}) == 3 * len({*first})
    assert [plan.processes for plan in others] == [2, 3]
    cfg.train_cfg.max_iters = 201
    assert not {*first} & {run.key for run in planned(cfg, tmp_path).runs}


def test_other_data_are_other_runs(cfg, tmp_path):
    before, settings = data_digest(cfg), digest(cfg)
    shutil.copytree(tmp_path / 'data', tmp_path / 'moved')
    cfg.train_dataloader.dataset.data_root = str(tmp_path / 'moved')
    assert data_digest(cfg) == before and digest(cfg) != settings
    (tmp_path / 'moved/images/one.png').write_bytes(b'123456')
    with_picture = data_digest(cfg)
    (tmp_path / 'moved/a.json').write_text('[]')
    assert len({before, with_picture, data_digest(cfg)}) == 3


def test_a_curve_has_some_points(cfg):
    validate_often(cfg)
    assert cfg.train_cfg.val_interval == 50
    cfg.train_cfg = dict(max_epochs=2, val_interval=1)
    validate_often(cfg)
    assert cfg.train_cfg.val_interval == 1
