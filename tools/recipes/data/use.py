"""How a run uses the objects of an annotation file."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Use:
    """How a run uses the objects of an annotation file.

    Args:
        split: 'train', 'val' or 'test'.
        images: The folder of the pictures.
        classes: Their names in the order of the labels; None: those of the file.
        things: Of a panoptic model, the first of these.
        filters: What the parent leaves out, its ``filter_cfg``; {} where it leaves nothing out.
        setting: The name of that setting in the config.
        masks: Objects need masks.
        polygons_only: Other masks are not learnt from.
    """

    split: str
    images: Path
    classes: tuple[str, ...] | None = None
    things: tuple[str, ...] | None = None
    filters: dict = field(default_factory=dict)
    setting: str = 'train_dataloader.dataset.filter_cfg'
    masks: bool = False
    polygons_only: bool = False

    @property
    def what(self) -> str:
        """What an object is called."""
        return 'object' if self.things is None else 'segment'

    @property
    def trains(self) -> bool:
        return self.split == 'train'
