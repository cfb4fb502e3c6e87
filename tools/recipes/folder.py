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

from dataclasses import dataclass
from pathlib import Path

from .coco import (
    Annotations,
    check_references,
    image_prefix,
    need_keys,
    point_at,
    read_annotations,
    read_coco,
    read_splits,
    summary,
)
from .config import count_classes, leaf_datasets, palette, set_class_count, walk

SEGMENT_KEYS = ('id', 'category_id', 'area', 'bbox', 'iscrowd')
# mmdet looks for the label map of a picture under the picture's name, with .png in place of .jpg
PICTURES = ('.jpg', '.png')


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

    masks = any(node.get('with_mask') for node in walk(cfg.train_dataloader))
    splits = read_splits(root, '{}.json', lambda path: read_annotations(path, masks))
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


@dataclass(frozen=True)
class PanopticAnnotations(Annotations):
    """Annotations whose first ``num_things`` classes are things, and the others stuff."""

    num_things: int

    @property
    def things(self) -> tuple[str, ...]:
        return self.classes[: self.num_things]

    @property
    def stuff(self) -> tuple[str, ...]:
        return self.classes[self.num_things :]

    @property
    def label_maps(self) -> tuple[str, ...]:
        """The names of the PNG files that hold the segments, one for each picture."""
        return tuple(name.replace('.jpg', '.png') for name in self.file_names)


def read_panoptic_annotations(path: str | Path) -> PanopticAnnotations:
    """Reads and checks the COCO panoptic annotation file at ``path``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not COCO panoptic JSON, lacks a field that training needs, lists no things
            or no stuff, or stuff before things: mmdet gives labels in that order, and takes the
            first for the things.
    """
    path = Path(path)
    data = read_coco(
        path,
        'for a panoptic config, --data DIR needs DIR/panoptic_train.json and '
        'DIR/panoptic_val.json in COCO panoptic format, their label maps in '
        'DIR/panoptic/train and DIR/panoptic/val, and the pictures in DIR/images.',
    )
    need_keys(path, data['categories'], 'category', ('isthing',))
    need_keys(path, data['annotations'], 'annotation', ('image_id', 'segments_info'))
    segments = [segment for entry in data['annotations'] for segment in entry['segments_info']]
    need_keys(path, segments, 'segment', SEGMENT_KEYS)
    objects = [
        dict(category_id=segment['category_id'], image_id=entry['image_id'])
        for entry in data['annotations']
        for segment in entry['segments_info']
    ]
    check_references(path, data, objects)
    for entry in data['images']:
        name = entry['file_name']
        if '/' in name or not name.endswith(PICTURES):
            raise ValueError(
                f'{path} names the picture {name!r}: panoptic training takes .jpg and '
                '.png pictures whose names have no folder in them.'
            )
    things = [bool(category['isthing']) for category in data['categories']]
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
    return PanopticAnnotations(path, **summary(data, objects), num_things=sum(things))


def use_panoptic_folder(cfg, root: Path) -> None:
    """Points a panoptic config at a folder; its heads get the things and stuff that it lists.

    Args:
        cfg: An mmengine Config, edited in place.
        root: The folder.

    Raises:
        FileNotFoundError: Something is missing from the folder.
        ValueError: Something is wrong with the folder.
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
    """Where under ``root`` the label maps of a part lie; FileNotFoundError where some miss."""
    prefix = f'panoptic/{found.split}/'
    missing = [name for name in found.label_maps if not (root / prefix / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of the {len(found.label_maps)} label maps of {found.path} are '
            f'missing, for instance {missing[0]}: put a PNG named as the picture for each of them '
            f'in {root / prefix}.'
        )
    return prefix
