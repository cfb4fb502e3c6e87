"""The data of a split in plain form, whatever the format: arrays, one row a picture or object."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .report import Finding

# what the mask of an object is
NO_MASK, POLYGONS, RUNS, WRONG_MASK = range(4)


@dataclass(frozen=True)
class Category:
    """A class as a file lists it. ``thing`` is None but in panoptic files."""

    id: int
    name: str
    thing: bool | None = None


@dataclass
class Pictures:
    """Pictures, one a row.

    Args:
        names: Paths below the folder of the pictures.
        sizes: (N, 2) int64, width and height in pixels as the annotations give them.
    """

    names: list[str]
    sizes: np.ndarray


@dataclass
class Objects:
    """Objects with boxes, or panoptic segments, one a row.

    Args:
        ids: (N,) int64. The ids of panoptic segments; for others 0.
        picture: (N,) int64, rows of :class:`Pictures`.
        category: (N,) int64, places in the list of categories.
        box: (N, 4) float64: x, y, width, height in pixels; NaN where the file has no such thing.
        area: (N,) float64, in pixels.
        crowd: (N,) bool.
        ignored: (N,) bool, marked to be left out.
        mask: (N,) uint8, of ``NO_MASK``, ``POLYGONS``, ``RUNS`` and ``WRONG_MASK``.
        extent: (N, 4) float64. Of polygons: least x and y, greatest x and y. Of run lengths: 0, 0,
            the width and the height that they give. Else NaN.
    """

    ids: np.ndarray
    picture: np.ndarray
    category: np.ndarray
    box: np.ndarray
    area: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    mask: np.ndarray
    extent: np.ndarray

    def __len__(self) -> int:
        return len(self.picture)


@dataclass
class Annotated:
    """Pictures and their objects, as a file or a list of files tells of them.

    Args:
        path: The file.
        categories: In the order of the file.
        pictures: The pictures.
        objects: The objects.
        labelled: False where the file has no list of objects at all.
        mask_problems: Row of an object and what is wrong with its mask.
        mends: What is not right but can be put right in a copy of the file, a sentence each.
        findings: What can not.
    """

    path: Path
    categories: list[Category]
    pictures: Pictures
    objects: Objects
    labelled: bool = True
    mask_problems: list[tuple[int, str]] = field(default_factory=list)
    mends: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(category.name for category in self.categories)
