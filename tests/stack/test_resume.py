"""Training that stops and is resumed, beside one that does not."""

import random

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

import mmdyup  # noqa: F401  (registers the hook)


class Noisy(Dataset):
    """Ten numbers, to each of which all three generators add something."""

    metainfo: dict = {}

    def __len__(self):
        return 10

    def __getitem__(self, i):
        return i + random.random() + np.random.rand() + torch.rand(()).item()


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 4)

    def forward(self, *numbers, mode='loss'):
        x = torch.tensor(numbers).view(1, 2) / 10
        return dict(loss=torch.nn.functional.dropout(self.layer(x), 0.5).square().mean())


class Record(Hook):
    """What each step saw, by its number."""

    def __init__(self):
        self.steps = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        group = runner.optim_wrapper.param_groups[0]
        self.steps[runner.iter + 1] = dict(
            data=list(data_batch),
            loss=outputs['loss'].item(),
            lr=group['lr'],
            weight_decay=group['weight_decay'],
        )


ITERATIONS = dict(type='IterBasedTrainLoop', max_iters=10, val_interval=100)
EPOCHS = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=100)


def train(work_dir, loop=ITERATIONS, resume=None, workers=0, interval=3, by_epoch=False, **options):
    """Trains, and returns what each step saw."""
    record = Record()
    settings = dict(
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.01)),
        param_scheduler=None,
        randomness=dict(seed=3),
        custom_hooks=[record],
    )
    batches = options.pop('batch_sampler', dict(type='SeededBatches'))
    epochs = loop['type'] == 'EpochBasedTrainLoop'
    runner = Runner(
        Model(),
        str(work_dir),
        train_dataloader=dict(
            dataset=Noisy(),
            sampler=dict(type='DefaultSampler' if epochs else 'InfiniteSampler', shuffle=True),
            batch_sampler=batches,
            batch_size=2,
            num_workers=workers,
            persistent_workers=workers > 0,
        ),
        train_cfg=loop,
        default_hooks=dict(
            resume=dict(type='ExactResume'),
            checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=by_epoch),
        ),
        resume=resume is not None,
        load_from=resume and str(resume),
        experiment_name=str(work_dir),
        **settings | options,
    )
    runner.train()
    return record.steps


@pytest.mark.parametrize('loop', [ITERATIONS, EPOCHS], ids=['iterations', 'epochs'])
@pytest.mark.parametrize('workers', [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_one_that_went_on(tmp_path, loop, workers):
    whole = train(tmp_path / 'whole', loop, workers=workers)
    assert len(whole) == {'iter': 10, 'epoc': 15}[loop['type'][:4].lower()]
    # every step has numbers of its own
    assert len({tuple(step['data']) for step in whole.values()}) == len(whole)
    for stop in (3, 6):  # an epoch has five steps
        resumed = train(tmp_path / str(stop), loop, tmp_path / f'whole/iter_{stop}.pth', workers)
        assert resumed == {step: whole[step] for step in whole if step > stop}


def test_the_number_of_workers_does_not_matter(tmp_path):
    whole = train(tmp_path / 'whole', EPOCHS, interval=1, by_epoch=True)
    resumed = train(
        tmp_path / 'more',
        EPOCHS,
        tmp_path / 'whole/epoch_2.pth',
        workers=1,
        # a batch sampler of another kind within ours
        batch_sampler=dict(type='SeededBatches', batch_sampler=dict(type='Plain')),
    )
    assert resumed == {step: whole[step] for step in range(11, 16)}


@pytest.fixture(scope='module', autouse=True)
def plain_batch_sampler():
    from mmengine.registry import DATA_SAMPLERS
    from torch.utils.data import BatchSampler

    @DATA_SAMPLERS.register_module(name='Plain')
    def plain(sampler, batch_size):
        return BatchSampler(sampler, batch_size, drop_last=False)

    yield
    DATA_SAMPLERS.module_dict.pop('Plain')


@pytest.mark.slow
def test_batches_that_were_trained_on_are_not_made_again(tmp_path, monkeypatch):
    train(tmp_path / 'whole')
    made = []
    make = Noisy.__getitem__
    monkeypatch.setattr(Noisy, '__getitem__', lambda self, i: made.append(i) or make(self, i))
    train(tmp_path / 'resumed', resume=tmp_path / 'whole/iter_6.pth')
    assert len(made) == 2 * 4


def schedule(length, warm_up=2):
    rise = dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=warm_up)
    fall = dict(type='CosineAnnealingLR', by_epoch=False, begin=warm_up, end=length)
    return [rise, dict(fall, T_max=length - warm_up, eta_min=1e-3)]


def rates(steps):
    return {number: (step['lr'], step['weight_decay']) for number, step in steps.items()}


def of_length(length):
    return dict(loop=dict(ITERATIONS, max_iters=length), param_scheduler=schedule(length))


def test_another_length_has_its_own_schedule_at_its_place(tmp_path):
    """Four steps that become ten have the rates of ten from the fifth on."""
    short = train(tmp_path / 'short', **of_length(4))
    long = rates(train(tmp_path / 'long', **of_length(10)))
    assert short[4]['lr'] < 0.6 * long[4][0]
    resumed = train(tmp_path / 'resumed', resume=tmp_path / 'short/iter_4.pth', **of_length(10))
    assert rates(resumed) == {step: long[step] for step in range(5, 11)}


def test_the_optimizers_settings_are_the_configs(tmp_path):
    train(tmp_path / 'first', **of_length(10))
    other = dict(optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.5))
    whole = train(tmp_path / 'other', optim_wrapper=other, **of_length(10))
    resumed = train(
        tmp_path / 'resumed',
        resume=tmp_path / 'first/iter_6.pth',
        optim_wrapper=other,
        **of_length(10),
    )
    assert rates(resumed) == {step: rates(whole)[step] for step in range(7, 11)}
    # without a schedule too
    unscheduled = train(
        tmp_path / 'unscheduled', resume=tmp_path / 'first/iter_6.pth', optim_wrapper=other
    )
    assert set(rates(unscheduled).values()) == {(0.02, 0.5)}


def test_epochs_prolonged(tmp_path):
    def of_epochs(epochs, milestone):
        steps = dict(type='MultiStepLR', by_epoch=True, milestones=[milestone], gamma=0.1)
        rise = dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=7)
        return dict(loop=dict(EPOCHS, max_epochs=epochs), param_scheduler=[rise, steps])

    train(tmp_path / 'short', **of_epochs(2, 1), interval=7)
    long = train(tmp_path / 'long', **of_epochs(4, 3))
    for step in (7, 10):
        resumed = train(
            tmp_path / f'resumed_{step}',
            resume=tmp_path / f'short/iter_{step}.pth',
            **of_epochs(4, 3),
        )
        assert rates(resumed) == {number: rates(long)[number] for number in range(step + 1, 21)}


def test_a_schedule_that_follows_scores_goes_on(tmp_path):
    """It cannot be repeated from the beginning without them."""
    by_score = dict(loop=EPOCHS, param_scheduler=dict(type='ReduceOnPlateauLR', monitor='acc'))
    first = train(tmp_path / 'first', **by_score)
    other = dict(optimizer=dict(type='SGD', lr=0.02, momentum=0.9))
    resumed = train(
        tmp_path / 'resumed', resume=tmp_path / 'first/iter_6.pth', optim_wrapper=other, **by_score
    )
    assert {step['lr'] for step in resumed.values()} == {first[6]['lr']}
