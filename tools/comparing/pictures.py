"""What a run makes of some of the pictures that validate it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.dist import all_gather_object, get_dist_info, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

#: How many pictures of a validation a run keeps, spread over all.
KEPT = 100
#: Detections below this are neither kept nor drawn.
SCORE = 0.3


@dataclass(frozen=True)
class Seen:
    """A picture, its truth, and what a model made of it.

    Args:
        path: The picture's file.
        truth: Labels of pixels, (H, W); or boxes, (N, 5) float32: x1, y1, x2, y2, class.
        found: The same of the model.
    """

    path: str
    truth: np.ndarray
    found: np.ndarray

    @property
    def boxes(self) -> bool:
        """Whether these are boxes and not labels of pixels."""
        return self.truth.dtype == np.float32


class Keeper(Hook):
    """Keeps what the last validation of a training makes of ``KEPT`` pictures."""

    def __init__(self) -> None:
        self.seen = []

    def before_val_epoch(self, runner: Runner) -> None:
        self.seen = []
        length = len(runner.val_dataloader.dataset)
        self._wanted = {int(i) for i in np.linspace(0, length - 1, min(KEPT, length))}
        self._number = 0

    def after_val_iter(self, runner: Runner, batch_idx, data_batch=None, outputs=None) -> None:
        rank, processes = get_dist_info()
        for sample in outputs:
            # several processes take turns at the pictures
            if self._number * processes + rank in self._wanted and (seen := see(sample)):
                self.seen.append(seen)
            self._number += 1

    def save(self, path: Path) -> None:
        """Writes what all processes kept; nothing where a model makes neither boxes nor labels."""
        kept = [seen for part in all_gather_object(self.seen) for seen in part]
        if kept and is_main_process():
            arrays = {
                f'{name}{i}': getattr(seen, name)
                for i, seen in enumerate(kept)
                for name in ('truth', 'found')
            }
            paths = json.dumps([seen.path for seen in kept])
            np.savez_compressed(path, paths=np.array(paths), **arrays)


def see(sample) -> Seen | None:
    """What is kept of a data sample of mmdet's or mmseg's; None where it is of another kind."""
    if 'pred_sem_seg' in sample and 'gt_sem_seg' in sample:
        truth, found = (
            pixels.data[0].cpu().numpy().astype(np.uint8)
            for pixels in (sample.gt_sem_seg, sample.pred_sem_seg)
        )
        return Seen(sample.img_path, truth, found)
    if 'pred_instances' in sample and 'gt_instances' in sample:
        found = sample.pred_instances
        return Seen(
            sample.img_path, _boxes(sample.gt_instances), _boxes(found[found.scores >= SCORE])
        )
    return None


def _boxes(instances) -> np.ndarray:
    boxes = getattr(instances.bboxes, 'tensor', instances.bboxes).cpu().numpy()
    labels = instances.labels.cpu().numpy()
    return np.concatenate([boxes, labels[:, None]], 1).astype(np.float32)


def read(path: Path) -> Iterator[Seen]:
    """What :meth:`Keeper.save` wrote; nothing where it wrote nothing."""
    if not path.exists():
        return
    with np.load(path) as arrays:
        for i, name in enumerate(json.loads(str(arrays['paths']))):
            yield Seen(name, arrays[f'truth{i}'], arrays[f'found{i}'])
