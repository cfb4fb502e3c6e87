"""`--tiny`: the same architecture, shrunk until a laptop's CPU trains it in minutes."""

from .model import shrink_model
from .pictures import shrink_pictures
from .schedule import follow_length, shorten_schedule

__all__ = ['follow_length', 'shrink', 'shrink_model', 'shrink_pictures', 'shorten_schedule']


def shrink(cfg) -> None:
    """Shrink the mmengine Config `cfg` in place: model, pictures and schedule.

    Raises ValueError when the backbone is one that this recipe does not know how to shrink.
    """
    shrink_model(cfg.model)
    shrink_pictures(cfg)
    shorten_schedule(cfg)
