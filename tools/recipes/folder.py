"""``--data DIR``: any detection or panoptic config, trained on a folder of one's own pictures.

    DIR/train.json  DIR/val.json     COCO detection format; DIR/test.json too if there is one
    DIR/images/                      the pictures, together or in train/, val/ and test/

or, for panoptic configs,

    DIR/panoptic_train.json  DIR/panoptic_val.json    COCO panoptic format; panoptic_test.json too
                                                      if there is one
    DIR/panoptic/train/      DIR/panoptic/val/        label maps: PNG files named as the pictures
    DIR/images/                                       the pictures, together or in train/, val/

Training and validation use train.json and val.json; testing uses test.json, or val.json where
there is none.
"""

from pathlib import Path

from .coco import image_prefix, point_at, read_splits
from .config import count_classes, leaf_datasets, palette, set_class_count, walk
from .data.coco import read_coco, read_panoptic
from .data.records import Annotated

LAYOUT = (
    '--data DIR needs DIR/train.json and DIR/val.json in COCO format and the pictures in '
    'DIR/images.'
)
PANOPTIC_LAYOUT = (
    'for a panoptic config, --data DIR needs DIR/panoptic_train.json and DIR/panoptic_val.json in '
    'COCO panoptic format, their label maps in DIR/panoptic/train and DIR/panoptic/val, and the '
    'pictures in DIR/images.'
)


def use_folder(cfg, root: str | Path) -> None:
    """Points a config at a folder; its heads get as many classes as there are to train on.

    Args:
        cfg: The mmengine Config of a detector or a panoptic model, edited in place.
        root: The folder.

    Raises:
        FileNotFoundError: Something is missing from the folder.
        ValueError: Something is wrong with the folder, or the config is of another kind.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise FileNotFoundError(f'--data: there is no folder {root}.')
    datasets = leaf_datasets(cfg.get('train_dataloader'))
    if not datasets:
        raise ValueError(
            '--data takes configs that train on COCO boxes, masks or panoptic segments, which this '
            'one does not: set its dataloaders in the config.'
        )
    if any('Panoptic' in dataset.type for dataset in datasets):
        use_panoptic_folder(cfg, root)
        return

    splits = read_splits(root, '{}.json', read_coco, LAYOUT)
    prefixes = {name: image_prefix(root, found) for name, found in splits.items()}
    classes = splits['train'].classes
    set_class_count(cfg.model, count_classes(datasets[0]), len(classes))
    metainfo = dict(classes=classes, palette=palette(len(classes)))
    for name, found in splits.items():
        point_at(
            cfg,
            name,
            dict(
                metainfo=metainfo,
                data_root=str(root),
                ann_file=found.path.name,
                data_prefix=dict(img=prefixes[name]),
            ),
            dict(ann_file=str(found.path)),
        )


def split_classes(found: Annotated) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The things and the stuff of a panoptic file.

    Raises:
        ValueError: It lists no things or no stuff, or stuff before things: mmdet gives labels in
            that order, and takes the first for the things.
    """
    path = found.path
    things = [bool(category.thing) for category in found.categories]
    if all(things) or not any(things):
        raise ValueError(
            f'{path} lists no {"stuff" if all(things) else "things"}: panoptic '
            'training needs categories with "isthing" 1 and categories with 0.'
        )
    if things != sorted(things, reverse=True):
        raise ValueError(
            f'{path} lists stuff before things: put the categories with "isthing" 1 '
            'before those with 0.'
        )
    return found.classes[: sum(things)], found.classes[sum(things) :]


def use_panoptic_folder(cfg, root: Path) -> None:
    """Points a panoptic config at a folder; its heads get the things and stuff that it lists.

    Args:
        cfg: An mmengine Config, edited in place.
        root: The folder.

    Raises:
        FileNotFoundError: Something is missing from the folder.
        ValueError: Something is wrong with the folder.
    """
    splits = read_splits(root, 'panoptic_{}.json', read_panoptic, PANOPTIC_LAYOUT)
    things, stuff = split_classes(splits['train'])
    classes = things + stuff
    folders = {}
    for name, found in splits.items():
        folders[name] = dict(img=image_prefix(root, found))
        if found.labelled:
            split = found.path.stem.removeprefix('panoptic_')
            folders[name]['seg'] = f'panoptic/{split}/'

    set_class_count(
        cfg.model,
        count_classes(leaf_datasets(cfg.train_dataloader)[0], 'thing_classes'),
        len(things),
    )
    for node in walk(cfg.model):
        for key, names in dict(num_things_classes=things, num_stuff_classes=stuff).items():
            if key in node:
                node[key] = len(names)
    metainfo = dict(
        classes=classes,
        thing_classes=things,
        stuff_classes=stuff,
        palette=palette(len(classes)),
    )
    for name, found in splits.items():
        point_at(
            cfg,
            name,
            dict(
                metainfo=metainfo,
                data_root=str(root),
                ann_file=found.path.name,
                data_prefix=folders[name],
            ),
            dict(ann_file=str(found.path), seg_prefix=str(root / folders[name].get('seg', ''))),
        )
