"""``--data DIR``: any segmentation config, trained on a folder of one's own pictures.

    DIR/images/train/    DIR/images/val/     the pictures; images/test/ too if there is a test set
    DIR/semantic/train/  DIR/semantic/val/   label maps, PNG files of the pictures' names, whose
                                             values number the classes from 0; 255 is ignored
    DIR/classes.txt                          the classes' names, one a line, if they have any

Testing uses test/, or val/ where there is none.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from .config import label_map_datasets, palette, set_class_count, walk
from .pairs import Maps

LABEL_MAPS = Maps('semantic', 'label map', 'the numbers of the classes')
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
    root = Path(root).resolve()
    if not root.is_dir():
        raise FileNotFoundError(f'--data: there is no folder {root}.')
    if not label_map_datasets(cfg.get('train_dataloader')):
        raise ValueError(
            '--data takes segmentation configs that train on label maps, which this '
            'one does not: set its dataloaders in the config.'
        )
    folder = read_semantic_folder(root)
    count = len(folder.classes)
    for split in ('train', 'val', 'test'):
        source = split if split in folder.suffixes else 'val'
        # copied, for mmseg's configs write test_dataloader = val_dataloader: one object, two names
        loader = deepcopy(cfg[f'{split}_dataloader'])
        for dataset in label_map_datasets(loader):
            pipeline = dataset.pipeline
            dataset.clear()
            dataset.update(
                type='BaseSegDataset',
                data_root=str(root),
                pipeline=pipeline,
                data_prefix=dict(img_path=f'images/{source}', seg_map_path=f'semantic/{source}'),
                img_suffix=folder.suffixes[source],
                seg_map_suffix='.png',
                metainfo=dict(classes=folder.classes, palette=palette(count)),
            )
        for node in walk(loader):
            # here 0 is a class like any other; what says so already is deprecated in pipelines
            node.pop('reduce_zero_label', None)
        cfg[f'{split}_dataloader'] = loader
    _set_class_count(cfg.model, count)


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


@dataclass(frozen=True)
class SemanticFolder:
    """What a config needs to know of a folder of label maps.

    Args:
        classes: The names of its classes, in the order of their labels.
        suffixes: For each of its parts the suffix of the pictures.
    """

    classes: tuple[str, ...]
    suffixes: dict[str, str]


def read_semantic_folder(root: Path) -> SemanticFolder:
    """Reads and checks a folder: images/, semantic/ and classes.txt.

    Where there is no classes.txt, classes are called class0, class1 and so on.

    Raises:
        FileNotFoundError: Pictures or label maps are missing.
        ValueError: A label map does not fit its picture or the classes.
    """
    names = _read_names(root / 'classes.txt')
    suffixes, pairs = LABEL_MAPS.find(root)
    greatest = max(
        _greatest_label(*pair, names)
        for pair in track(pairs, 'Checking label maps', transient=True)
    )
    names = names or tuple(f'class{i}' for i in range(greatest + 1))
    if len(names) < 2:
        raise ValueError(
            f'{root} has only one class: label maps number the classes 0, 1 and so on, 0 often '
            f'being the background, while {IGNORED} marks pixels that are left out.'
        )
    return SemanticFolder(names, suffixes)


def _read_names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    lines = path.read_text(encoding='utf-8-sig').splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f'{path} names the class {twice!r} twice: give every class its own name.')
    return names


def _greatest_label(picture: Path, label_map: Path, names: tuple[str, ...]) -> int:
    """The greatest class in ``label_map``, 0 where all is ignored."""
    labels = LABEL_MAPS.read(picture, label_map)
    greatest = int(labels[labels != IGNORED].max(initial=0))
    if greatest >= (len(names) or IGNORED):
        known = f'classes.txt names {len(names)} classes' if names else 'eight bits are the limit'
        raise ValueError(
            f'{label_map} has the value {greatest}, but {known}: values go from 0 to '
            f'{(len(names) or IGNORED) - 1}, and {IGNORED} marks pixels that are left out.'
        )
    return greatest
