"""What a training starts from: nothing, weights, or where another one stopped."""

import fcntl
from pathlib import Path
from typing import IO
from zipfile import is_zipfile

from mmengine.logging import print_log
from mmengine.runner import Runner

from .checks import rank
from .fits import check_fits, compare, read_checkpoint


def choose_start(cfg, resume: str | None) -> dict | None:
    """Settles what a training starts from, and reads it.

    Args:
        cfg: An mmengine Config, edited in place.
        resume: What ``--resume`` names: a checkpoint, 'auto' for the last one in the work dir, or
            None.

    Returns:
        What the checkpoint holds that the training will resume from or begin with, if any.

    Raises:
        FileNotFoundError: It does not exist.
        ValueError: It cannot be read, or training cannot be resumed from it.
    """
    if resume == 'auto':
        found = last_whole_checkpoint(cfg.work_dir)
        if found is None:
            print(f'--resume: {cfg.work_dir} has no checkpoint; training starts anew.', flush=True)
    elif resume:
        found = resume, read_checkpoint(resume)
    if resume and found:
        cfg.load_from, checkpoint = found
        cfg.resume = True
        lacking = {'meta', 'message_hub', 'optimizer'} - checkpoint.keys()
        if lacking:
            raise ValueError(
                f'--resume: {cfg.load_from} holds weights alone, so there is no training to go on '
                f'with; begin with them by --cfg-options load_from={cfg.load_from}.'
            )
        randomness = cfg.get('randomness') or {}
        if randomness.get('seed') is None:
            cfg.randomness = dict(randomness, seed=checkpoint['meta'].get('seed'))
        return checkpoint
    return read_checkpoint(cfg.load_from) if cfg.get('load_from') else None


def check_start(runner: Runner, checkpoint: dict | None) -> None:
    """Checks what :func:`choose_start` read against the model, before training.

    A training that is resumed needs all of it. One that begins with other weights is told what of
    its model starts without them: so a detector gets other classes or another upsampler.

    Raises:
        ValueError: It does not fit.
    """
    if checkpoint is None:
        return
    source = runner.cfg.load_from
    if runner.cfg.resume:
        check_fits(runner.model, runner.cfg, source, checkpoint)
        return
    misfit = compare(runner.model, checkpoint)
    if not misfit.common:
        raise ValueError(
            f'load_from: nothing in {source} fits the model of this config ({misfit}): take a '
            'checkpoint of this kind of model, or leave load_from out.'
        )
    if misfit:
        print_log(
            f'load_from: {misfit.common} tensors of the model come from {source}, and the others '
            f'start as they would without it: {misfit}.',
            'current',
        )


def last_whole_checkpoint(work_dir: str) -> tuple[str, dict] | None:
    """The last checkpoint of a work dir that can be read, and what it holds; None without any.

    One that was being written when its training was killed is told and left out.

    Raises:
        ValueError: There are some, and none can be read.
    """
    saved = [path for kind in ('iter', 'epoch') for path in Path(work_dir).glob(f'{kind}_*.pth')]
    saved.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    noted = Path(work_dir) / 'last_checkpoint'
    # noted once it is whole; times alone would not do, for a folder may have been copied
    last = noted.read_text().strip() if noted.is_file() else ''
    saved.sort(key=lambda path: path.name != Path(last).name)
    broken = [path for path in saved if not is_zipfile(path)]
    for path in saved:
        if path in broken:
            continue
        if broken:
            names = ', '.join(map(str, broken))
            print(f'--resume: {names} is cut off; going on from {path}.', flush=True)
        return str(path), read_checkpoint(str(path))
    if broken:
        raise ValueError(
            f'--resume: {broken[0]} is cut off, and {work_dir} has no other checkpoint: remove it, '
            'and train anew without --resume.'
        )
    return None


def resume_exactly(cfg) -> None:
    """Has every step of a training be the same whether or not the training was resumed before it.

    Args:
        cfg: An mmengine Config, edited in place; see :mod:`mmdyup.stack.resume`.
    """
    loader = cfg.train_dataloader
    batches = loader.get('batch_sampler')
    if (batches or {}).get('type') != 'SeededBatches':
        loader.batch_sampler = dict(
            type='SeededBatches', batch_sampler=batches, drop_last=loader.pop('drop_last', False)
        )
    cfg.default_hooks = dict(cfg.get('default_hooks') or {}, resume=dict(type='ExactResume'))
    # mmengine's own scripts too will find these two in the config that is saved
    if not cfg.get('custom_imports'):
        cfg.custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)


def claim(work_dir: str) -> IO | None:
    """Keeps other trainings out of a work dir as long as what it returns is open.

    Raises:
        ValueError: Another one is writing there, or the folder cannot be made.
    """
    if rank() > 0:
        return None
    try:
        Path(work_dir).mkdir(parents=True, exist_ok=True)
        lock = open(Path(work_dir) / '.lock', 'w')
    except OSError as error:
        raise ValueError(
            f'--work-dir: nothing can be written to {work_dir} ({error.strerror}); give another '
            'folder.'
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ValueError(
            f'--work-dir: another training is writing to {work_dir}; wait until it ends, or give '
            'another folder.'
        ) from None
    return lock
