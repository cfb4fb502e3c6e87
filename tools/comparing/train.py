"""One run: a training that is the pair of others of its seed, and what is kept of it."""

import math
import statistics
import time
from pathlib import Path
from zipfile import is_zipfile

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.dist import all_reduce, barrier, is_distributed, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner, save_checkpoint

from papers.count import count, whole
from recipes.processes import use_cpus, workers_ended
from recipes.start import check_start, choose_start, resume_exactly

from .features import KeepFeatures
from .pairing import Pairing, first_weights, model_of
from .pictures import Keeper
from .plan import Run

#: Points of a curve of the loss.
POINTS = 50
#: Under this name the message hub, which checkpoints hold, has what was seen of a run.
SEEN = 'comparing'


@workers_ended()
def train(run: Run, folder: Path) -> dict | None:
    """Trains a run, or goes on with it; where processes have met, together with the others.

    Args:
        run: Which one.
        folder: Of the comparison; the run's weights, log and pictures lie below it.

    Returns:
        What is told of it: scores, curves, time and size; of several processes, by the first alone.

    Raises:
        ValueError: It cannot be paired, or was never validated.
    """
    begin = time.perf_counter()
    cfg = Config.fromfile(run.config)
    work_dir = folder / 'runs' / run.key
    cfg.work_dir = str(work_dir)
    # one process may do a run that failed again
    cfg.experiment_name = f'{run.key}_{time.time_ns()}'
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=run.seed)
    _forget_cut_off(work_dir)
    checkpoint = choose_start(cfg, 'auto')
    resume_exactly(cfg)
    if is_distributed():
        cfg.launcher = 'pytorch'
        if not torch.cuda.is_available():
            use_cpus(cfg)
    runner = Runner.from_cfg(cfg)
    check_start(runner, checkpoint)
    record = Recorder()
    runner.register_hook(Pairing(first_weights(run.start, run.seed), run.seed, run.disturbed))
    if run.cache:
        runner.register_hook(KeepFeatures(run.cache))
    runner.register_hook(record)
    keeper = Keeper()
    runner.register_hook(keeper)
    runner.train()
    if runner.val_loop and (not record.scores or record.scores[-1][0] != runner.iter):
        # it was killed behind its last step
        runner.val_loop.run()
    if not record.scores:
        raise ValueError('It was never validated: give the config a val_dataloader.')
    keeper.save(work_dir / 'pictures.npz')
    if not is_main_process():
        return None
    size = measure(runner)
    _keep_weights(runner, work_dir)
    return dict(
        scores=record.scores[-1][1],
        curve=record.scores,
        losses=record.losses,
        finite=all(math.isfinite(loss) for _, loss in record.losses),
        seconds=record.before + time.perf_counter() - begin,
        step_seconds=statistics.median(record.durations) if record.durations else None,
        resumed=bool(cfg.get('resume')),
        **size,
    )


class Recorder(Hook):
    """Keeps the loss, the scores of every validation and the time of steps.

    What a run had seen when it was killed comes back with its checkpoint.
    """

    def before_train(self, runner: Runner) -> None:
        seen = runner.message_hub.runtime_info.get(SEEN) or dict(losses=[], scores=[], seconds=0.0)
        self.losses = [list(point) for point in seen['losses']]
        self.scores = [list(point) for point in seen['scores']]
        self.before = seen['seconds']
        self.durations = []
        self._every = max(1, runner.max_iters // POINTS)
        self._sum = []
        self._begin = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        self._step = time.perf_counter()

    def after_train_iter(self, runner: Runner, batch_idx, data_batch=None, outputs=None) -> None:
        # a number, for which a GPU finishes its step
        self._sum.append(outputs['loss'].item())
        self.durations.append(time.perf_counter() - self._step)
        if (runner.iter + 1) % self._every == 0:
            loss = torch.tensor(statistics.fmean(self._sum), dtype=torch.float64)
            all_reduce(loss, 'mean')  # each process has that of its own pictures
            self.losses.append([runner.iter + 1, loss.item()])
            self._sum = []
        seconds = self.before + time.perf_counter() - self._begin
        seen = dict(losses=self.losses, scores=self.scores, seconds=seconds)
        runner.message_hub.update_info(SEEN, seen)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.scores.append([runner.iter, {name: float(score) for name, score in metrics.items()}])


def measure(runner: Runner) -> dict:
    """Parameters of a runner's model, and FLOPs of all its parts on the first picture that
    validates it, two for a multiply-add; None where they cannot be counted."""
    model = model_of(runner)
    # the backbone itself, not a look-up of its features
    vars(getattr(model, 'backbone', model)).pop('forward', None)
    sample = model.data_preprocessor(pseudo_collate([runner.val_dataloader.dataset[0]]))
    inputs = sample['inputs']
    shape = (1, *(inputs[0] if isinstance(inputs, list) else inputs).shape[-3:])
    try:
        flops = count(whole(model).cpu().eval(), shape, scale=2).flops
    except Exception:  # a model of another kind than the papers'; what is missing is told
        flops = None
    parameters = sum(p.numel() for p in model.parameters())
    return dict(parameters=parameters, flops=flops, shape=shape)


def _forget_cut_off(work_dir: Path) -> None:
    """Removes checkpoints that were being written when a run was killed, be it the only one."""
    if is_main_process():
        for path in _checkpoints(work_dir):
            if not is_zipfile(path):
                path.unlink()
    barrier()  # the others look for one after that


def _checkpoints(work_dir: Path) -> list[Path]:
    return [*work_dir.glob('iter_*.pth'), *work_dir.glob('epoch_*.pth')]


def _keep_weights(runner: Runner, work_dir: Path) -> None:
    """Leaves the weights alone of a run that has ended."""
    meta = dict(dataset_meta=runner.val_dataloader.dataset.metainfo)
    weights = dict(state_dict=model_of(runner).state_dict(), meta=meta)
    save_checkpoint(weights, str(work_dir / 'weights.pth'))
    for path in _checkpoints(work_dir):
        path.unlink()
    (work_dir / 'last_checkpoint').unlink(missing_ok=True)
