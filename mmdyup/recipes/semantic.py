"""`--data DIR`: any segmentation config, trained on a folder of one's own pictures.

    DIR/images/train/    DIR/images/val/     the pictures; images/test/ too if there is a test set
    DIR/semantic/train/  DIR/semantic/val/   label maps, PNG files of the pictures' names, whose
                                             values number the classes from 0; 255 is ignored
    DIR/classes.txt                          the classes' names, one a line, if they have any

Testing uses test/, or val/ where there is none.
"""

from copy import deepcopy
from pathlib import Path

from .class_count import set_class_count
from .palette import palette
from .semantic_maps import read_semantic_folder
from .walk import walk


def use_semantic_folder(cfg, root: str | Path) -> None:
    """Point the segmentation config `cfg` (an mmengine Config, edited in place) at the folder
    `root`, and give its heads as many classes as the folder has.

    Raises FileNotFoundError and ValueError, each in one sentence, when something is missing from
    the folder or wrong with it, or when the config is of another kind.
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


def label_map_datasets(dataloader: dict | None) -> list[dict]:
    """The data sets of a dataloader config that read label maps, inside any wrapper."""
    return [
        node
        for node in walk((dataloader or {}).get('dataset'))
        if 'seg_map_path' in node.get('data_prefix', {})
    ]


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
