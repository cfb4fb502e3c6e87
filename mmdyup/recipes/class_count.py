"""How many classes a config was written for, and giving its heads another number."""

from .walk import walk


def count_classes(dataset: dict, kind: str = 'classes') -> int:
    """How many classes (or 'thing_classes') a data set of a config has."""
    if kind in dataset.get('metainfo', {}):
        return len(dataset.metainfo[kind])
    from mmdet.registry import DATASETS

    return len(DATASETS.get(dataset.type).METAINFO[kind])


def set_class_count(model: dict, old: int, new: int) -> None:
    """Let every head of the `model` config that counts `old` classes, edited in place, count `new`.

    Raises ValueError when there is none.
    """
    counted = [node for node in walk(model) if node.get('num_classes') == old]
    if not counted:
        raise ValueError(
            f'--data: no head of this config counts the {old} classes of its data set, so there '
            f'is no num_classes to set to {new}; set it in the config.'
        )
    for node in counted:
        node['num_classes'] = new
