"""`--data DIR` for panoptic configs.

DIR/panoptic_train.json  DIR/panoptic_val.json    COCO panoptic format; panoptic_test.json too
                                                  if there is one
DIR/panoptic/train/      DIR/panoptic/val/        label maps: PNG files named as the pictures
DIR/images/                                       the pictures, together or in train/, val/
"""

from pathlib import Path

from .class_count import count_classes, set_class_count
from .palette import palette
from .panoptic_annotations import PanopticAnnotations, read_panoptic_annotations
from .splits import image_prefix, point_at, read_splits
from .walk import leaf_datasets, walk


def use_panoptic_folder(cfg, root: Path) -> None:
    """Point the panoptic config `cfg` (an mmengine Config, edited in place) at the folder `root`,
    and give its heads as many things and stuff as `root`/panoptic_train.json lists.

    Raises FileNotFoundError and ValueError, each in one sentence, when something is missing from
    the folder or wrong with it.
    """
    splits = read_splits(root, 'panoptic_{}.json', read_panoptic_annotations)
    train = splits['train']
    for found in splits.values():
        if found.things != train.things:
            raise ValueError(
                f'{found.path} has other things than {train.path}: give every '
                'category the same "isthing" in both.'
            )
    folders = {
        name: dict(img=image_prefix(root, found), seg=label_map_prefix(root, found))
        for name, found in splits.items()
    }

    set_class_count(
        cfg.model,
        count_classes(leaf_datasets(cfg.train_dataloader)[0], 'thing_classes'),
        len(train.things),
    )
    for node in walk(cfg.model):
        for key, names in dict(
            num_things_classes=train.things, num_stuff_classes=train.stuff
        ).items():
            if key in node:
                node[key] = len(names)
    metainfo = dict(
        classes=train.classes,
        thing_classes=train.things,
        stuff_classes=train.stuff,
        palette=palette(len(train.classes)),
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
            dict(ann_file=str(found.path), seg_prefix=str(root / folders[name]['seg'])),
        )


def label_map_prefix(root: Path, found: PanopticAnnotations) -> str:
    """Where under `root` the label maps of a split lie; FileNotFoundError when some are missing."""
    prefix = f'panoptic/{found.split}/'
    missing = [name for name in found.label_maps if not (root / prefix / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of the {len(found.label_maps)} label maps of {found.path} are '
            f'missing, for instance {missing[0]}: put a PNG named as the picture for each of them '
            f'in {root / prefix}.'
        )
    return prefix
