"""`--data DIR`: any detection config, trained on a folder of one's own pictures.

    DIR/train.json  DIR/val.json     COCO detection format; DIR/test.json too if there is one
    DIR/images/                      the pictures, together or in train/, val/ and test/

Training and validation use train.json and val.json; testing uses test.json, or val.json where
there is none. What a panoptic config needs is told in panoptic_folder.py.
"""

from pathlib import Path

from .annotations import read_annotations
from .class_count import count_classes, set_class_count
from .palette import palette
from .panoptic_folder import use_panoptic_folder
from .splits import image_prefix, point_at, read_splits
from .walk import leaf_datasets, walk


def use_folder(cfg, root: str | Path) -> None:
    """Point the detection or panoptic config `cfg` (an mmengine Config, edited in place) at the
    folder `root`, and give its heads as many classes as the annotations to train on list.

    Raises FileNotFoundError and ValueError, each in one sentence, when something is missing from
    the folder or wrong with it, or when the config is of another kind.
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
