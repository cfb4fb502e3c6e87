"""``--data DIR``: any segmentation config, trained on a folder of one's own pictures.

    DIR/images/train/    DIR/images/val/     the pictures; images/test/ too if there is a test set
    DIR/semantic/train/  DIR/semantic/val/   label maps, PNG files of the pictures' names, whose
                                             values number the classes from 0; 255 is ignored
    DIR/classes.txt                          the classes' names, one a line, if they have any

Testing uses test/, or val/ where there is none.
"""

from collections.abc import Callable
from pathlib import Path

from .config import map_datasets, palette, set_class_count, walk
from .data.maps import LABELS, look_at_maps
from .pairs import use_map_folder

IGNORED = 255


def use_semantic_folder(cfg, root: str | Path) -> None:
    """Points a segmentation config at a folder; its heads get as many classes as the folder has.

    Args:
        cfg: An mmengine Config, edited in place.
        root: The folder.

    Raises:
        FileNotFoundError: Something is missing from the folder.
        ValueError: Something is wrong with the folder, or the config is of another kind.
    """
    if not map_datasets(cfg.get('train_dataloader'), LABELS.key):
        raise ValueError(
            '--data takes segmentation configs that train on label maps, which this '
            'one does not: set its dataloaders in the config.'
        )

    def settings(root: Path, pairs: dict) -> Callable[[dict], dict]:
        names = read_names(root, pairs)
        _set_class_count(cfg.model, len(names))
        metainfo = dict(classes=names, palette=palette(len(names)))
        return lambda dataset: dict(
            type='BaseSegDataset',
            pipeline=dataset['pipeline'],
            seg_map_suffix='.png',
            metainfo=metainfo,
        )

    use_map_folder(cfg, root, LABELS, settings)
    for split in ('train', 'val', 'test'):
        for node in walk(cfg[f'{split}_dataloader']):
            # here 0 is a class like any other; what says so already is deprecated in pipelines
            node.pop('reduce_zero_label', None)


def _set_class_count(model: dict, new: int) -> None:
    heads = [part for name, part in model.items() if name.endswith('_head')]
    old = next((node['num_classes'] for node in walk(heads) if 'num_classes' in node), None)
    if old is None:
        raise ValueError(
            f'--data: no head of this config has a num_classes to set to {new}; set '
            'the number of classes in the config.'
        )
    set_class_count(model, old, new)
    for node in walk(heads):
        if isinstance(node.get('class_weight'), (list, tuple)):
            # what follows the old classes' weights is that of "no class"
            node['class_weight'] = [1.0] * new + list(node['class_weight'][old:])


def read_names(root: Path, pairs: dict[str, list]) -> tuple[str, ...]:
    """The names of the classes: those of classes.txt, or class0, class1 and so on.

    Args:
        root: The folder.
        pairs: Its pictures and label maps by split.

    Raises:
        ValueError: There is only one class, or classes.txt names one twice.
    """
    names = _read_file(root / 'classes.txt')
    if not names:
        values = {
            value
            for split, found in pairs.items()
            for look in look_at_maps(
                root / LABELS.folder / split, [str(path) for _, path in found], LABELS
            )
            for value, _ in look[4]
            if value < IGNORED
        }
        names = tuple(f'class{i}' for i in range(int(max(values, default=0)) + 1))
    if len(names) < 2:
        raise ValueError(
            f'{root} has only one class: label maps number the classes 0, 1 and so on, 0 often '
            f'being the background, while {IGNORED} marks pixels that are left out.'
        )
    return names


def _read_file(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError:
        raise ValueError(f'{path} is not in UTF-8: save it in that encoding.') from None
    names = tuple(line.strip() for line in lines if line.strip())
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f'{path} names the class {twice!r} twice: give every class its own name.')
    return names
