"""One picture that shows what a model sees."""

from pathlib import Path

import cv2
import mmcv
import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner

PICTURES = 6
COLUMNS = 2
CELL_WIDTH = 960  # pixels, ground truth and the model's output side by side
GAP = 8
SCORE = 0.4  # detections below this are not drawn


def draw_sheet(runner: Runner, path: str | Path) -> None:
    """Run the model of `runner` on a few pictures spread over its validation set and save them at
    `path`, each with its ground truth on the left and the model's output on the right."""
    dataset = runner.val_dataloader.dataset
    # label maps know neither lines nor scores
    boxes = runner.cfg.get('default_scope') != 'mmseg'
    style = dict(line_width=1) if boxes else {}
    limits = dict(pred_score_thr=SCORE) if boxes else {}
    visualizer = type(runner.visualizer)(name='sheet', **style)
    visualizer.dataset_meta = dataset.metainfo
    count = min(PICTURES, len(dataset))
    runner.model.eval()
    cells = []
    for index in np.linspace(0, len(dataset) - 1, count).astype(int):
        with torch.no_grad():
            sample = runner.model.val_step(pseudo_collate([dataset[index]]))[0]
        image = mmcv.imread(sample.img_path, channel_order='rgb')
        halves = []
        for truth in (True, False):
            visualizer.add_datasample(
                'sheet', image, sample, draw_gt=truth, draw_pred=not truth, **limits
            )
            halves.append(visualizer.get_image())
        drawn = np.hstack(halves)
        cells.append(mmcv.imrescale(drawn, CELL_WIDTH / drawn.shape[1], interpolation='lanczos'))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    mmcv.imwrite(cv2.cvtColor(_arrange(cells), cv2.COLOR_RGB2BGR), str(path))


def _arrange(cells: list[np.ndarray]) -> np.ndarray:
    """Cells, (h, w, 3) uint8 each, on white: `COLUMNS` of them in a row."""
    height = max(cell.shape[0] for cell in cells) + GAP
    width = max(cell.shape[1] for cell in cells) + GAP
    white = (255, 255, 255)
    cells = [mmcv.impad(cell, shape=(height, width), pad_val=white) for cell in cells]
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    return np.vstack(rows)
