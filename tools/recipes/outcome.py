"""What a training or a test leaves to look at."""

import unicodedata
from pathlib import Path

import cv2
import mmcv
import numpy as np
import torch
from matplotlib import colormaps, font_manager, rcParams
from matplotlib.colors import Normalize
from mmengine.dataset import pseudo_collate
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint

from .config import evaluators, leaf_datasets, map_datasets
from .data.maps import DEPTHS

# what the keys of the scores worth telling contain
SCORES = ('mAP', 'PQ', 'mIoU', 'mBIoU', 'abs_rel', 'd1', 'rmse')
# the sheet of pictures
PICTURES = 6
COLUMNS = 2
CELL_WIDTH = 960  # pixels, ground truth and the model's output side by side
GAP = 8
SCORE = 0.4  # detections below this are not drawn


def conclude(runner: Runner, folder: str | Path) -> None:
    """Tells, after ``runner.train()``, of the score and of what the training wrote.

    Where there are pictures to validate on, some are drawn in ``folder``, as detections.png or, of
    label maps, segmentation.png, or, of depths, depth.png.
    """
    work_dir = Path(runner.work_dir)
    saved = find_latest_checkpoint(runner.work_dir)
    lines = [
        '',
        f'Trained: {_score(runner)}',
        f'  checkpoint  {_shown(saved) if saved else "none was saved"}',
        f'  config      {_shown(work_dir / Path(runner.cfg.filename).name)}',
        f'  log         {_shown(Path(runner.log_dir) / f"{runner.timestamp}.log")}',
    ]
    # told before anything is drawn, which may fail
    print('\n'.join(lines), flush=True)
    if runner.val_loop is not None:
        kind = _kind(runner)
        picture = Path(folder) / f'{kind}.png'
        before = 'picture and ground truth' if kind == 'depth' else 'ground truth'
        try:
            draw_sheet(runner, picture)
        except Exception as error:  # the training is done, whatever a drawing meets
            print(f'  picture     not drawn ({type(error).__name__}: {error})', flush=True)
        else:
            print(f'  picture     {_shown(picture)} ({before} left, {kind} right)', flush=True)


def _kind(runner: Runner) -> str:
    """What the model makes of a picture."""
    if runner.cfg.get('default_scope') != 'mmseg':
        return 'detections'
    loader = runner.cfg.get('val_dataloader') or runner.cfg.get('test_dataloader')
    return 'depth' if map_datasets(loader, DEPTHS.key) else 'segmentation'


def _score(runner: Runner) -> str:
    scalars = runner.message_hub.log_scalars
    scores = {
        key.removeprefix('val/'): scalar.current()
        for key, scalar in scalars.items()
        if key.startswith('val/') and any(name in key for name in SCORES)
    }
    if not scores and any(key.startswith('val/') for key in scalars):
        return 'validated, but nothing was detected, so there is no score.'
    if not scores:
        return 'not validated.'
    return ', '.join(f'{key} {value:.4g}' for key, value in scores.items())


def _shown(path: str | Path) -> Path:
    """``path`` as one would type it here."""
    path = Path(path).absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def draw_sheet(runner: Runner, path: str | Path) -> None:
    """Draws a few pictures spread over the validation set, as its model sees them.

    Args:
        runner: Of a model that was trained.
        path: The file to write; each picture has its ground truth on the left and the model's
            output on the right. Depths are drawn beside the picture.
    """
    dataset = runner.val_dataloader.dataset
    kind = _kind(runner)
    # label maps know neither lines nor scores
    style = dict(line_width=1) if kind == 'detections' else {}
    limits = dict(pred_score_thr=SCORE) if kind == 'detections' else {}
    visualizer = type(runner.visualizer)(name='sheet', **style)
    visualizer.dataset_meta = with_drawable_names(dataset.metainfo, kind != 'detections')
    count = min(PICTURES, len(dataset))
    runner.model.eval()
    cells = []
    for index in np.linspace(0, len(dataset) - 1, count).astype(int):
        with torch.no_grad():
            sample = runner.model.val_step(pseudo_collate([dataset[index]]))[0]
        drop_empty_segments(sample, len(dataset.metainfo['classes']))
        image = mmcv.imread(sample.img_path, channel_order='rgb')
        if kind == 'depth':
            parts = [image, *draw_depths(sample)]
        else:
            parts = []
            for truth in (True, False):
                visualizer.add_datasample(
                    'sheet', image, sample, draw_gt=truth, draw_pred=not truth, **limits
                )
                parts.append(visualizer.get_image())
        drawn = np.hstack(parts)
        cells.append(mmcv.imrescale(drawn, CELL_WIDTH / drawn.shape[1], interpolation='lanczos'))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    mmcv.imwrite(cv2.cvtColor(_arrange(cells), cv2.COLOR_RGB2BGR), str(path))


def draw_depths(sample) -> list[np.ndarray]:
    """Ground truth and prediction of a depth sample in the same colours.

    Args:
        sample: With ``gt_depth_map`` and ``pred_depth_map``, (1, H, W) each.

    Returns:
        Two pictures, (H, W, 3) uint8 RGB: from the nearest depth of the truth, bright, to the
        farthest, dark; black where no depth is known.
    """
    truth, found = (
        pixels.data[0].float().cpu().numpy()
        for pixels in (sample.gt_depth_map, sample.pred_depth_map)
    )
    known = truth > 0
    limits = truth[known] if known.any() else found
    scale = Normalize(limits.min(), limits.max(), clip=True)
    return [
        colormaps['plasma_r'](scale(depth), bytes=True)[..., :3] * visible[..., None]
        for depth, visible in ((truth, known), (found, np.ones_like(known)))
    ]


def drop_empty_segments(sample, num_classes: int) -> None:
    """Takes a panoptic prediction without any segment, which mmdet cannot draw, out of a sample.

    Args:
        sample: A data sample of mmdet's or mmseg's, edited in place.
        num_classes: The value of pixels without a segment.
    """
    found = sample.get('pred_panoptic_seg')
    if found is not None and (found.sem_seg == num_classes).all():
        del sample.pred_panoptic_seg


def with_drawable_names(metainfo: dict, ascii_only: bool) -> dict:
    """``metainfo`` with names of classes that can be drawn.

    A font of this machine that has their letters is chosen for drawing. Where none has them, or
    OpenCV draws, which knows ASCII alone, names lose their accents, and others become numbers.

    Args:
        metainfo: Of a data set; its 'classes' are names.
        ascii_only: Whether OpenCV draws.
    """
    names = tuple(metainfo.get('classes') or ())
    letters = {letter for name in names for letter in name if letter != ' '}
    if all(map(str.isascii, letters)) or (not ascii_only and _use_font(letters)):
        return metainfo
    return dict(metainfo, classes=tuple(_plain(name, i) for i, name in enumerate(names)))


def _use_font(letters: set[str]) -> bool:
    """Has matplotlib write with a font that has these letters; False where there is none."""
    wanted = set(map(ord, letters))
    default = font_manager.findfont(font_manager.FontProperties(family=['sans-serif']))
    entries = sorted(font_manager.fontManager.ttflist, key=lambda entry: entry.fname != default)
    for entry in entries:
        try:
            there = wanted <= font_manager.get_font(entry.fname).get_charmap().keys()
        except (OSError, RuntimeError):  # a font that cannot be read
            continue
        if there:
            rcParams['font.sans-serif'] = [entry.name, *rcParams['font.sans-serif']]
            return True
    return False


def _plain(name: str, label: int) -> str:
    """A name in ASCII: without accents, or else its number."""
    bare = unicodedata.normalize('NFKD', name)
    bare = ''.join(letter for letter in bare if not unicodedata.combining(letter))
    return bare if bare.isascii() else f'class {label}'


class DrawableHook(Hook):
    """Lets mmdet's and mmseg's drawing of a test meet what it can draw alone."""

    priority = 'HIGH'

    def before_test(self, runner: Runner) -> None:
        # of several processes one draws, and the others' visualizers know nothing
        if is_main_process():
            meta = runner.visualizer.dataset_meta or {}
            drawable = with_drawable_names(meta, _kind(runner) != 'detections')
            runner.visualizer.dataset_meta = drawable

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=()) -> None:
        classes = runner.test_dataloader.dataset.metainfo.get('classes') or ()
        for sample in outputs:
            drop_empty_segments(sample, len(classes))


def _arrange(cells: list[np.ndarray]) -> np.ndarray:
    """Cells, (h, w, 3) uint8 each, on white: ``COLUMNS`` of them in a row."""
    height = max(cell.shape[0] for cell in cells) + GAP
    width = max(cell.shape[1] for cell in cells) + GAP
    white = (255, 255, 255)
    cells = [mmcv.impad(cell, shape=(height, width), pad_val=white) for cell in cells]
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    return np.vstack(rows)


def save_pictures(cfg, folder: str) -> None:
    """Has a test draw every picture with its ground truth and the prediction (``--show-dir``).

    Args:
        cfg: An mmengine Config, edited in place.
        folder: Where the pictures go, an absolute path.
    """
    hook = cfg.default_hooks.visualization
    hook.draw = True
    if cfg.get('default_scope') == 'mmseg':
        # mmseg's hook leaves the choice of the folder to the visualizer
        hook.interval = 1
        cfg.visualizer.vis_backends = [dict(type='LocalVisBackend', img_save_dir=folder)]
    else:
        hook.test_out_dir = folder


def predict_alone(cfg, folder: Path) -> None:
    """Has a test write its predictions, where there is nothing to score.

    Args:
        cfg: An mmengine Config of a detector, edited in place.
        folder: Where the predictions go, in COCO's format of results.
    """
    kept = []
    for metric in evaluators(cfg.test_evaluator):
        if str(metric['type']).rsplit('.', 1)[-1] in ('CocoMetric', 'CocoPanopticMetric'):
            metric.update(format_only=True, outfile_prefix=str(folder / 'predictions'))
            kept.append(metric)
    cfg.test_evaluator = kept
    for dataset in leaf_datasets(cfg.test_dataloader):
        (dataset.get('data_prefix') or {}).pop('seg', None)
