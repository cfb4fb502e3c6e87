"""What makes a training that was killed and resumed go on as if it had not been.

mmengine's checkpoints hold no state of the random generators, and a worker's state could not be put
back anyway. Here every step, and every batch in whatever process it is made, draws from a seed of
its own: the run's seed, the process, and the step. A step is then the same whatever came before.
"""

import random
from collections.abc import Collection, Iterator

import numpy as np
import torch
from mmengine.dist import broadcast, get_rank
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import DATA_SAMPLERS, HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import BatchSampler, Sampler

# what of a scheduler's state tells where it stands, and not what schedule it follows
_PROGRESS = ('last_step', '_global_step', '_last_value', 'verbose', 'optimizer')
# the key of a step's seed and that of a batch's differ in their last number
_OF_STEPS, _OF_BATCHES = 0, 1


def seed_everything(*key: int) -> None:
    """Seeds the generators of Python, numpy and PyTorch, of all devices, from numbers ≥ 0."""
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class _Batch(list):
    """The indices of a batch, and the key of its seed; None for one that is passed over."""

    key: tuple[int, ...] | None = None


@DATA_SAMPLERS.register_module()
class SeededBatches:
    """A batch sampler whose batches are made of the same random numbers whoever makes them.

    In a config it is ``train_dataloader.batch_sampler=dict(type='SeededBatches')``.

    Args:
        sampler: The sampler of single indices, with its ``dataset`` and its ``seed``.
        batch_size: Indices of a batch.
        batch_sampler: The config of another batch sampler, whose batches these are.
        drop_last: Whether a last batch that is not full is left out.

    Attributes:
        dropped: How many batches the next epoch begins later.
        blank: How many batches, from the first on, are empty: a loop that asks for them again only
            to pass over them has them for nothing.
    """

    def __init__(
        self,
        sampler: Sampler,
        batch_size: int,
        batch_sampler: dict | None = None,
        drop_last: bool = False,
    ) -> None:
        if batch_sampler is None:
            self._batches = BatchSampler(sampler, batch_size, drop_last)
        else:
            self._batches = DATA_SAMPLERS.build(
                batch_sampler, default_args=dict(sampler=sampler, batch_size=batch_size)
            )
        self.sampler = sampler
        self.batch_size = batch_size
        self.dropped = self.blank = self._made = 0
        # PyTorch's loaders hand it whole batches, in the process that makes them
        sampler.dataset.__getitems__ = _SeededItems(sampler.dataset)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        dropped, self.dropped = self.dropped, 0
        epoch = getattr(self.sampler, 'epoch', 0)
        for number, indices in enumerate(self._batches):
            if number < dropped:
                continue
            self._made += 1
            batch = _Batch(indices)
            if self._made > self.blank:
                batch.key = (self.sampler.seed, get_rank(), epoch, number, _OF_BATCHES)
            yield batch


class _SeededItems:
    """Makes the samples of a batch, after seeding what they are drawn with."""

    def __init__(self, dataset) -> None:
        self.dataset = dataset

    def __call__(self, batch: _Batch) -> list:
        if batch.key is None:
            return [0]
        seed_everything(*batch.key)
        return [self.dataset[i] for i in batch]


@HOOKS.register_module()
class ExactResume(Hook):
    """Has a resumed training follow its config, and repeat nothing and leave nothing out.

    - Every step draws from a seed of its own. With :class:`SeededBatches` in ``train_dataloader``
      and the same ``randomness.seed``, steps after resuming are those of a run that went on.
    - Batches that were trained on are passed over without being made, within an epoch too.
    - Where the schedule or the optimizer's settings differ from the checkpoint's, those of the
      config count, from the step on at which the training stands. mmengine goes on with the old
      ones.
    - Several processes validate with the first one's buffers, such as running statistics of batch
      norm, which are those that a checkpoint keeps. mmengine lets each have its own.

    In a config it is ``default_hooks=dict(resume=dict(type='ExactResume'))``.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._resumed = self._edited = False
        self._settings = self._schedules = None

    def before_run(self, runner: Runner) -> None:
        """Notes what the config asks for, before a checkpoint takes its place."""
        if isinstance(runner.optim_wrapper, OptimWrapper):  # it will train
            self._settings = {
                name: [_without(group) for group in optimizer.param_groups]
                for name, optimizer in _optimizers(runner).items()
            }
            self._schedules = [dict(vars(scheduler)) for scheduler in _schedulers(runner)]

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self._settings and {'optimizer', 'param_schedulers'} <= checkpoint.keys():
            self._edited = self._differs(runner, checkpoint)

    def before_train(self, runner: Runner) -> None:
        self._resumed = runner.iter > 0
        if self._resumed and self._edited:
            runner.logger.info(
                'The schedule or the settings of the optimizer are not those of the checkpoint: '
                f'training follows the config from step {runner.iter} on.'
            )
            self._follow_config(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        batches = runner.train_loop.dataloader.batch_sampler
        if self._resumed and isinstance(batches, SeededBatches):
            if isinstance(runner.train_loop, EpochBasedTrainLoop):
                batches.dropped = runner.iter - runner.epoch * len(batches)
            else:
                batches.blank = runner.iter
        self._resumed = False

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        seed_everything(runner.seed, get_rank(), runner.iter, _OF_STEPS)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        if batch_idx == 0:  # an average of the weights has taken their place by now
            for buffer in runner.model.buffers():
                broadcast(buffer)

    def _differs(self, runner: Runner, checkpoint: dict) -> bool:
        schedules = checkpoint['param_schedulers']
        if isinstance(schedules, dict):
            schedules = [state for states in schedules.values() for state in states]
        if [_plan(state) for state in schedules] != [_plan(state) for state in self._schedules]:
            return True
        scheduled = {scheduler.param_name for scheduler in _schedulers(runner)}
        saved = checkpoint['optimizer']
        groups = [saved] if 'param_groups' in saved else [saved[name] for name in self._settings]
        return [
            [_without(group, scheduled) for group in state['param_groups']] for state in groups
        ] != [
            [_without(group, scheduled) for group in settings]
            for settings in self._settings.values()
        ]

    def _follow_config(self, runner: Runner) -> None:
        """Sets optimizer and schedules as they are at the beginning, and repeats their steps."""
        schedulers = _schedulers(runner)
        if any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers):
            runner.logger.warning(
                'A schedule that follows scores cannot be taken again from the beginning: it goes '
                'on as the checkpoint has it.'
            )
            return
        for name, optimizer in _optimizers(runner).items():
            for group, settings in zip(optimizer.param_groups, self._settings[name], strict=True):
                group.update(settings)
        for scheduler, state in zip(schedulers, self._schedules, strict=True):
            vars(scheduler).update(state)
            # mmengine warns where schedules run ahead of the optimizer
            scheduler.optimizer._global_step = runner.iter
        epochs = isinstance(runner.train_loop, EpochBasedTrainLoop)
        length = len(runner.train_loop.dataloader) if epochs else runner.iter
        for step in range(1, runner.iter + 1):
            epoch, rest = divmod(step, length)
            for scheduler in schedulers:
                if not scheduler.by_epoch or rest == 0 and epoch <= runner.epoch:
                    scheduler.step()


def _optimizers(runner: Runner) -> dict[str, torch.optim.Optimizer]:
    wrapper = runner.optim_wrapper
    if isinstance(wrapper, OptimWrapperDict):
        return {name: each.optimizer for name, each in wrapper.items()}
    return {'': wrapper.optimizer}


def _without(group: dict, names: Collection[str] = ()) -> dict:
    """What an optimizer is told of a group of parameters, but for some of its settings."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in group.items()
        if key != 'params' and key not in names
    }


def _schedulers(runner: Runner) -> list:
    """All schedules, those of all optimizers one after the other."""
    schedulers = runner.param_schedulers or []
    if isinstance(schedulers, dict):
        return [scheduler for each in schedulers.values() for scheduler in each]
    return list(schedulers)


def _plan(state: dict) -> dict:
    """What schedule a scheduler follows."""
    return {key: value for key, value in state.items() if key not in _PROGRESS}
