"""What mmdet calls of COCO's panopticapi, which is on GitHub alone, and how mmdet comes to find it.

Panoptic quality as in Kirillov et al., Panoptic Segmentation, CVPR 2019.
"""

import importlib
import sys
from collections import defaultdict
from dataclasses import astuple, dataclass
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

import numpy as np

from .frameworks import is_installed

OFFSET = 256**3  # above every segment id
VOID = 0  # the id of pixels without a label


def rgb2id(color: np.ndarray) -> np.ndarray:
    """The ids, (...) int32, that colours stand for, (..., 3) uint8 in the order red, green, blue:
    red + 256 green + 256² blue."""
    red, green, blue = np.moveaxis(color.astype(np.int32), -1, 0)
    return red + (green << 8) + (blue << 16)


def id2rgb(id_map: np.ndarray) -> np.ndarray:
    """The colours, (..., 3) uint8, of ids from 0 to 256³ - 1: the inverse of :func:`rgb2id`."""
    return np.stack([id_map & 255, id_map >> 8 & 255, id_map >> 16 & 255], -1).astype(np.uint8)


@dataclass
class Counts:
    """Of one category: matched pairs (tp), their summed IoU, and the segments that have no match
    among those predicted (fp) and those annotated (fn)."""

    iou: float = 0.0
    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: 'Counts') -> 'Counts':
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __bool__(self) -> bool:
        return bool(self.tp or self.fp or self.fn)

    def quality(self) -> dict[str, float]:
        """Panoptic quality and its factors, segmentation and recognition quality; 0 of nothing."""
        segmentation = self.iou / max(self.tp, 1)
        recognition = 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)
        return dict(pq=segmentation * recognition, sq=segmentation, rq=recognition)


class PQStat:
    """The counts of every category, by its id."""

    def __init__(self) -> None:
        self._counts = defaultdict(Counts)

    def __getitem__(self, category_id: int) -> Counts:
        return self._counts[category_id]

    def __iadd__(self, other: 'PQStat') -> 'PQStat':
        for category_id, counts in other._counts.items():
            self._counts[category_id] = self[category_id] + counts
        return self

    def pq_average(
        self, categories: dict[int, dict], isthing: bool | None
    ) -> tuple[dict[str, float], dict[int, dict]]:
        """Means over the categories that occur or are predicted.

        Args:
            categories: COCO's entries, by id.
            isthing: Whether only things (True) or stuff (False) count; None for all.

        Returns:
            The means 'pq', 'sq' and 'rq', from 0 to 1, over 'n' categories; and the three of every
            category.
        """
        chosen = [
            category_id
            for category_id, entry in categories.items()
            if isthing in (None, bool(entry['isthing']))
        ]
        each = {category_id: self[category_id].quality() for category_id in chosen}
        seen = [each[category_id] for category_id in chosen if self[category_id]]
        means = {
            key: sum(quality[key] for quality in seen) / max(len(seen), 1)
            for key in ('pq', 'sq', 'rq')
        }
        return dict(means, n=len(seen)), each


# its modules, and what is in them
_MODULES = {
    'panopticapi': {},
    'panopticapi.evaluation': dict(OFFSET=OFFSET, VOID=VOID, PQStat=PQStat),
    'panopticapi.utils': dict(rgb2id=rgb2id, id2rgb=id2rgb),
}


class StandIn:
    """Finds and makes ``panopticapi``, of what is defined here, after all else has failed to."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        parent = sys.modules.get('panopticapi')
        if name == 'panopticapi' or name in _MODULES and parent.__loader__ is cls:
            return spec_from_loader(name, cls, is_package=name == 'panopticapi')
        return None

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Leaves it to Python."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        vars(module).update(_MODULES[module.__name__])


def stand_in() -> None:
    """Has ``import panopticapi`` find the stand-in, and mmdet's modules that have tried it too.

    An original that is installed is left to be found.
    """
    if is_installed('panopticapi'):
        return
    sys.meta_path.append(StandIn)
    if 'mmdet' not in sys.modules:
        return
    contents = dict(panopticapi=importlib.import_module('panopticapi'))
    for names in _MODULES.values():
        contents.update(names)
    for module in [sys.modules[name] for name in sys.modules if name.startswith('mmdet.')]:
        # where its import failed, mmdet has put None for each of them
        missing = [name for name in contents if vars(module).get(name, contents) is None]
        vars(module).update({name: contents[name] for name in missing})


def serve_workers() -> None:
    """Has the processes among which mmdet divides panoptic scoring find the stand-in too.

    One that is spawned, not forked, knows what it unpickles and nothing else: mmdet's function
    would bring mmdet alone.
    """
    global _score
    scoring = sys.modules.get('mmdet.evaluation.functional.panoptic_utils')
    if scoring is None or scoring.PQStat is not PQStat or _score is not None:
        return
    _score, scoring.pq_compute_single_core = scoring.pq_compute_single_core, score_part


# mmdet's own function
_score = None


def score_part(*args, **options) -> PQStat:
    """mmdet's ``pq_compute_single_core``, which a process finds after ``import mmdyup``."""
    return _score(*args, **options)
