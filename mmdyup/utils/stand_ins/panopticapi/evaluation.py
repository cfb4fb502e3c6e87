"""Counts of matched segments, and the panoptic quality they make."""

from collections import defaultdict
from dataclasses import astuple, dataclass

OFFSET = 256**3  # above every segment id
VOID = 0  # the id of pixels without a label


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
        """Means over those of `categories` (COCO's entries, by id) that occur or are predicted: all
        of them, or only things (True) or stuff (False).

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
