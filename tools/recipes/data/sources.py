"""Which files a config reads, in which format, and what it asks of them."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from mmengine.registry import DATASETS

from ..config import evaluators, walk
from .coco import read_coco, read_panoptic
from .maps import DEPTHS, LABELS, MapUse
from .records import Annotated
from .use import Use
from .voc import read_voc

# the class whose reading of annotations a data set inherits, and the format
FORMATS = {
    'CocoDataset': 'coco',
    'XMLDataset': 'voc',
    'BaseSegDataset': 'labels',
    'NYUDataset': 'depths',
}


def dataset_class(dataset: dict, scope: str | None) -> type | None:
    """The class of a data set of a config; None where it is unknown here."""
    kind = dataset.get('type')
    if not isinstance(kind, str):
        return kind
    with DATASETS.switch_scope_and_registry(dataset.get('_scope_') or scope) as registry:
        return registry.get(kind)


def format_of(cls: type | None) -> str | None:
    """'coco', 'panoptic', 'voc', 'labels' or 'depths'; None for a class that reads otherwise."""
    load = getattr(cls, 'load_data_list', None)
    kind = FORMATS.get(getattr(load, '__qualname__', '').split('.')[0])
    panoptic = any(base.__name__ == 'CocoPanopticDataset' for base in getattr(cls, '__mro__', ()))
    return 'panoptic' if kind == 'coco' and panoptic else kind


def named_datasets(node, name: str) -> Iterator[tuple[str, dict]]:
    """Every data set inside ``node`` that reads files, with its name in the config."""
    if isinstance(node, dict):
        prefix = node.get('data_prefix') or {}
        if node.get('ann_file') or {LABELS.key, DEPTHS.key} & prefix.keys():
            yield name, node
            return
        children = ((f'{name}.{key}', child) for key, child in node.items())
    elif isinstance(node, (list, tuple)):
        children = ((f'{name}.{place}', child) for place, child in enumerate(node))
    else:
        return
    for key, child in children:
        yield from named_datasets(child, key)


def setting(dataset: dict, cls: type, key: str, fallback=None):
    """What a data set's argument ``key`` is, by its config or by the default of its class."""
    if key in dataset:
        return dataset[key]
    for base in cls.__mro__:
        parameter = inspect.signature(base.__init__).parameters.get(key)
        if parameter and parameter.default is not inspect.Parameter.empty:
            return parameter.default
    return fallback


def classes_of(dataset: dict, cls: type, key: str = 'classes') -> tuple[str, ...] | None:
    """The classes that a data set has, None where neither its config nor its class lists them."""
    names = (dataset.get('metainfo') or {}).get(key) or getattr(cls, 'METAINFO', {}).get(key)
    return tuple(names) if isinstance(names, (list, tuple)) else None


def annotated(cfg, split: str, name: str, dataset: dict, cls: type) -> tuple[Annotated, Use]:
    """What an annotation file holds, and how a run uses it.

    Args:
        cfg: An mmengine Config.
        split: 'train', 'val' or 'test'.
        name: What the config calls the data set.
        dataset: A data set that reads boxes, masks or segments.
        cls: Its class.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It is no annotation file.
    """
    kind = format_of(cls)
    loader = cfg.get(f'{split}_dataloader')
    loads = [node for node in walk(loader) if node.get('with_mask')]
    metrics = [metric.get('metric') for metric in evaluators(cfg.get(f'{split}_evaluator'))]
    filters = {} if dataset.get('test_mode') else dataset.get('filter_cfg') or {}
    prefix = dataset.get('data_prefix') or {}
    path = below(dataset, dataset['ann_file'])
    if kind == 'voc':
        root = below(dataset, prefix.get('sub_data_root', ''))
        folders = (setting(dataset, cls, key) for key in ('img_subdir', 'ann_subdir'))
        found, images = read_voc(path, root, *folders), root
    else:
        found = (read_panoptic if kind == 'panoptic' else read_coco)(path)
        images = below(dataset, prefix.get('img') or '')
    return found, Use(
        split=split,
        images=images,
        classes=classes_of(dataset, cls),
        things=classes_of(dataset, cls, 'thing_classes') if kind == 'panoptic' else None,
        filters=dict(filters) if split == 'train' else {},
        setting=f'{name}.filter_cfg',
        masks=kind == 'coco' and bool(loads or any('segm' in (metric or ()) for metric in metrics)),
        polygons_only=any(node.get('poly2mask') is False for node in loads),
    )


def below(dataset: dict, path: str) -> Path:
    """A path as a data set means it, below its ``data_root``."""
    return Path(dataset.get('data_root') or '', path)


def mapped(split: str, dataset: dict, cls: type) -> MapUse:
    """The pictures and maps that a data set reads, and how a run uses them.

    Args:
        split: 'train', 'val' or 'test'.
        dataset: A data set that reads label maps or depths.
        cls: Its class.
    """
    kind = LABELS if format_of(cls) == 'labels' else DEPTHS
    prefix = dataset['data_prefix']
    images = below(dataset, prefix.get('img_path') or '')
    maps = below(dataset, prefix.get(kind.key) or '')
    suffix = setting(dataset, cls, 'img_suffix', '.jpg')
    map_key = 'seg_map_suffix' if kind is LABELS else 'depth_map_suffix'
    map_suffix = setting(dataset, cls, map_key, '.png')
    if dataset.get('ann_file'):
        lines = below(dataset, dataset['ann_file']).read_text(encoding='utf-8').split('\n')
        stems = [line.strip() for line in lines if line.strip()]
    else:
        names = (str(path.relative_to(images)) for path in images.rglob(f'*{suffix}'))
        stems = sorted(name[: len(name) - len(suffix)] for name in names)
    classes = classes_of(dataset, cls) or ()
    ignored = setting(dataset, cls, 'ignore_index', 255)
    labels = {}
    if kind is LABELS and setting(dataset, cls, 'reduce_zero_label', False):
        labels = {value: value - 1 for value in range(1, 255)} | {0: ignored}
    if kind is LABELS and hasattr(cls, 'get_label_map'):
        # the parent applies it after the reduction
        others = cls.get_label_map(classes or None) or {}
        labels = {v: others.get(labels.get(v, v), labels.get(v, v)) for v in range(256)}
    return MapUse(
        split=split,
        kind=kind,
        images=images,
        maps=maps,
        pairs=[
            (str(images / f'{stem}{suffix}'), str(maps / f'{stem}{map_suffix}')) for stem in stems
        ],
        classes=classes,
        labels=labels,
        ignored=ignored,
    )
