"""The pictures on which variants differ most, side by side with the truth."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import mmcv
import numpy as np

from recipes.config import palette

from .findings import Findings
from .pictures import Seen, read

#: How many pictures are shown.
SHOWN = 4
WIDTH = 320  # pixels of each copy
IGNORED = 255
#: Boxes that overlap by this are one object.
SAME = 0.5


@dataclass(frozen=True)
class Shown:
    """A picture as the truth and every variant have it.

    Args:
        name: Its file's name.
        seed: The runs' that are shown.
        copies: Pictures, (H, W, 3) uint8 BGR, by the name of what is drawn; the truth first.
        scores: How well each variant does on it, from 0 to 1, the mean over seeds.
    """

    name: str
    seed: int
    copies: dict[str, np.ndarray]
    scores: dict[str, float]


def gallery(findings: Findings, folder: Path) -> list[Shown]:
    """The pictures on which the variants' mean scores lie farthest apart, the farthest first.

    Args:
        findings: Of the comparison.
        folder: Where it lies.
    """
    seeds = sorted(set.intersection(*(set(row.runs) for row in findings.rows)))
    seen = {
        row.name: [
            list(read(folder / 'runs' / row.runs[seed]['key'] / 'pictures.npz')) for seed in seeds
        ]
        for row in findings.rows
    }
    if not seeds or not all(pictures for runs in seen.values() for pictures in runs):
        return []
    scores = {
        name: np.mean([[score(picture) for picture in run] for run in runs], axis=0)
        for name, runs in seen.items()
    }
    spread = np.ptp(np.stack(list(scores.values())), axis=0)
    return [
        _shown(int(i), seeds[0], {name: runs[0] for name, runs in seen.items()}, scores)
        for i in np.argsort(-spread, kind='stable')[:SHOWN]
    ]


def _shown(i: int, seed: int, seen: dict[str, list[Seen]], scores: dict[str, np.ndarray]) -> Shown:
    first = next(iter(seen.values()))[i]
    copies = {'truth': draw(first.path, first.truth)}
    copies |= {name: draw(first.path, run[i].found, first.truth) for name, run in seen.items()}
    means = {name: float(values[i]) for name, values in scores.items()}
    return Shown(Path(first.path).name, seed, copies, means)


def score(seen: Seen) -> float:
    """How well a picture came out, from 0 to 1: the F-measure of its boxes, or the mean IoU of the
    classes that it holds or was said to hold."""
    if seen.boxes:
        hits = _hits(seen.truth, seen.found)
        total = len(seen.truth) + len(seen.found)
        return 2 * hits / total if total else 1.0
    known = seen.truth != IGNORED
    truth, found = seen.truth[known], seen.found[known]
    classes = np.union1d(truth, found)
    overlaps = [
        np.sum((truth == c) & (found == c)) / np.sum((truth == c) | (found == c)) for c in classes
    ]
    return float(np.mean(overlaps)) if overlaps else 1.0


def _hits(truth: np.ndarray, found: np.ndarray) -> int:
    """How many true boxes have a found one of their class for themselves, by greatest overlap."""
    overlaps = _overlaps(truth, found) * (truth[:, None, 4] == found[None, :, 4])
    hits = 0
    while overlaps.size and overlaps.max() >= SAME:
        i, j = np.unravel_index(overlaps.argmax(), overlaps.shape)
        overlaps[i], overlaps[:, j] = 0, 0
        hits += 1
    return hits


def _overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of every pair of boxes, (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    both = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = ((boxes[:, 2:4] - boxes[:, :2]).prod(-1) for boxes in (a, b))
    return both / np.maximum(area_a[:, None] + area_b[None] - both, 1e-9)


def draw(path: str, what: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
    """The picture at ``path`` with boxes or labels, ``WIDTH`` pixels wide, (H, W, 3) BGR.

    Labels that are not those of ``truth`` are white.
    """
    picture = mmcv.imread(path)
    ratio = WIDTH / picture.shape[1]
    colours = np.array(palette(10), np.uint8)[:, ::-1]
    if what.dtype == np.float32:
        picture = mmcv.imrescale(picture, ratio)
        for *corners, label in what:
            x1, y1, x2, y2 = (round(float(value) * ratio) for value in corners)
            colour = tuple(int(value) for value in colours[int(label) % 10])
            cv2.rectangle(picture, (x1, y1), (x2, y2), colour, 1)
        return picture
    painted = colours[what % 10]
    painted[what == IGNORED] = 0
    if truth is not None:
        painted[(what != truth) & (truth != IGNORED)] = 255
    return mmcv.imrescale(cv2.addWeighted(picture, 0.4, painted, 0.6, 0), ratio)
