"""`--data DIR`: any detection config, trained on a folder of one's own pictures.

    DIR/train.json  DIR/val.json     COCO detection format; DIR/test.json too if there is one
    DIR/images/                      the pictures, together or in train/, val/ and test/

Training and validation use train.json and val.json; testing uses test.json, or val.json where
there is none.
"""
from copy import deepcopy
from pathlib import Path

from .annotations import Annotations, check_same_classes, read_annotations
from .palette import palette
from .walk import evaluators, leaf_datasets, walk


def use_folder(cfg, root: str | Path) -> None:
    """Point the detection config `cfg` (an mmengine Config, edited in place) at the folder `root`,
    and give its heads as many classes as `root`/train.json lists.

    Raises FileNotFoundError and ValueError, each in one sentence, when something is missing from
    the folder or wrong with it, or when the config is of another kind.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise FileNotFoundError(f'--data: there is no folder {root}.')
    datasets = leaf_datasets(cfg.get('train_dataloader'))
    if not datasets or any('Panoptic' in dataset.type for dataset in datasets):
        raise ValueError(
            '--data takes configs that train on COCO boxes or masks, which this one does not: '
            'set its dataloaders in the config.')

    masks = any(node.get('with_mask') for node in walk(cfg.train_dataloader))
    splits = {'train': read_annotations(root / 'train.json', masks),
              'val': read_annotations(root / 'val.json', masks)}
    splits['test'] = (read_annotations(root / 'test.json', masks)
                      if (root / 'test.json').exists() else splits['val'])
    prefixes = {name: _image_prefix(root, found) for name, found in splits.items()}
    for name in ('val', 'test'):
        check_same_classes(splits['train'], splits[name])

    classes = splits['train'].classes
    _set_class_count(cfg.model, _class_count(datasets[0]), len(classes))
    metainfo = dict(classes=classes, palette=palette(len(classes)))
    for name, found in splits.items():
        # copied, for mmdet's configs write test_dataloader = val_dataloader: one object, two names
        loader = deepcopy(cfg[f'{name}_dataloader'])
        for dataset in leaf_datasets(loader):
            dataset.metainfo = deepcopy(metainfo)
            dataset.data_root = str(root)
            dataset.ann_file = found.path.name
            dataset.data_prefix = dict(img=prefixes[name])
        cfg[f'{name}_dataloader'] = loader
    for name in ('val', 'test'):
        evaluator = deepcopy(cfg[f'{name}_evaluator'])
        for metric in evaluators(evaluator):
            if 'ann_file' in metric:
                metric.ann_file = str(splits[name].path)
        cfg[f'{name}_evaluator'] = evaluator


def _image_prefix(root: Path, found: Annotations) -> str:
    """Where under `root` the pictures of a split lie."""
    split = found.path.stem
    for prefix in (f'images/{split}/', 'images/'):
        missing = [name for name in found.file_names if not (root / prefix / name).is_file()]
        if not missing:
            return prefix
        if len(missing) < len(found.file_names):
            break
    raise FileNotFoundError(
        f'{len(missing)} of the {len(found.file_names)} pictures that {found.path} names are '
        f'missing, for instance {missing[0]}: put them in {root / "images"} or '
        f'{root / "images" / split}.')


def _class_count(dataset: dict) -> int:
    """How many classes the config was written for."""
    if 'classes' in dataset.get('metainfo', {}):
        return len(dataset.metainfo.classes)
    from mmdet.registry import DATASETS
    return len(DATASETS.get(dataset.type).METAINFO['classes'])


def _set_class_count(model: dict, old: int, new: int) -> None:
    counted = [node for node in walk(model) if node.get('num_classes') == old]
    if not counted:
        raise ValueError(
            f'--data: no head of this config counts the {old} classes of its data set, so there '
            f'is no num_classes to set to {new}; set it in the config.')
    for node in counted:
        node['num_classes'] = new
