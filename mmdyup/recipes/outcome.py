"""What a training leaves behind, said in a few lines."""

from pathlib import Path

from mmengine.runner import Runner, find_latest_checkpoint

from .sheet import draw_sheet

# what the keys of the scores worth telling contain
SCORES = ('mAP', 'PQ', 'mIoU', 'mBIoU')


def conclude(runner: Runner, folder: str | Path) -> None:
    """After `runner.train()`: print the score and where the checkpoint, the config and the log
    are; draw `folder`/detections.png or, of label maps, `folder`/segmentation.png, if there are
    pictures to validate on, and tell of it."""
    work_dir = Path(runner.work_dir)
    lines = [
        '',
        f'Trained: {_score(runner)}',
        f'  checkpoint  {_shown(find_latest_checkpoint(runner.work_dir))}',
        f'  config      {_shown(work_dir / Path(runner.cfg.filename).name)}',
        f'  log         {_shown(Path(runner.log_dir) / f"{runner.timestamp}.log")}',
    ]
    if runner.val_loop is not None:
        kind = 'segmentation' if runner.cfg.get('default_scope') == 'mmseg' else 'detections'
        picture = Path(folder) / f'{kind}.png'
        draw_sheet(runner, picture)
        lines.append(f'  picture     {_shown(picture)} (ground truth left, {kind} right)')
    print('\n'.join(lines), flush=True)


def _score(runner: Runner) -> str:
    scalars = runner.message_hub.log_scalars
    scores = {
        key.removeprefix('val/'): scalar.current()
        for key, scalar in scalars.items()
        if key.startswith('val/') and any(name in key for name in SCORES)
    }
    if not scores:
        return 'not validated.'
    return ', '.join(f'{key} {value:.4g}' for key, value in scores.items())


def _shown(path: str | Path) -> Path:
    """`path` as one would type it here."""
    path = Path(path).absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
