"""Finding things in a loaded config and changing them, whatever its framework."""

from collections.abc import Iterator

from matplotlib import colormaps


def walk(node) -> Iterator[dict]:
    """Every dict inside ``node`` (dicts, lists and tuples nested in any way), parents first."""
    if isinstance(node, dict):
        yield node
        children = list(node.values())
    elif isinstance(node, (list, tuple)):
        children = node
    else:
        return
    for child in children:
        yield from walk(child)


def leaf_datasets(dataloader: dict | None) -> list[dict]:
    """The data sets of a dataloader config that read an annotation file, inside any wrapper."""
    dataset = (dataloader or {}).get('dataset')
    return [node for node in walk(dataset) if node.get('ann_file')]


def map_datasets(dataloader: dict | None, key: str) -> list[dict]:
    """The data sets of a dataloader config that read maps of pixels, inside any wrapper.

    Args:
        dataloader: The config of a dataloader.
        key: What their ``data_prefix`` calls the folder of the maps: 'seg_map_path' for label maps,
            'depth_map_path' for depths.
    """
    dataset = (dataloader or {}).get('dataset')
    return [node for node in walk(dataset) if key in (node.get('data_prefix') or {})]


def drop_repeated(dataloader: dict) -> None:
    """Takes data sets that became the same, of several years say, out of a dataloader config, in
    place, so that each is read once."""
    for node in walk(dataloader):
        several = node.get('datasets')
        if isinstance(several, (list, tuple)):
            node['datasets'] = [d for i, d in enumerate(several) if d not in several[:i]]


def evaluators(evaluator) -> list[dict]:
    """The metrics of an evaluator config, which is one metric or a list of them."""
    if not evaluator:
        return []
    return list(evaluator) if isinstance(evaluator, (list, tuple)) else [evaluator]


def count_classes(dataset: dict, kind: str = 'classes') -> int:
    """How many classes (or 'thing_classes') a data set of a config has.

    Raises:
        ValueError: Neither the config nor the data set's class lists them.
    """
    if kind in dataset.get('metainfo', {}):
        return len(dataset.metainfo[kind])
    from mmdet.registry import DATASETS

    known = getattr(DATASETS.get(dataset.type), 'METAINFO', {})
    if kind not in known:
        raise ValueError(
            f'--data: the data set {dataset.type} of this config lists no classes, so no head can '
            'be given others: take a config that trains on COCO.'
        )
    return len(known[kind])


def set_class_count(model: dict, old: int, new: int) -> None:
    """Lets every head of the ``model`` config that counts ``old`` classes count ``new``, in place.

    Raises:
        ValueError: There is none.
    """
    counted = [node for node in walk(model) if node.get('num_classes') == old]
    if not counted:
        raise ValueError(
            f'--data: no head of this config counts the {old} classes of its data set, so there '
            f'is no num_classes to set to {new}; set it in the config.'
        )
    for node in counted:
        node['num_classes'] = new


def palette(count: int) -> list[tuple[int, int, int]]:
    """``count`` colours that are easy to tell apart, each (red, green, blue) from 0 to 255."""
    colours = colormaps['tab10'] if count <= 10 else colormaps['hsv'].resampled(count + 1)
    return [tuple(int(value) for value in colours(i, bytes=True)[:3]) for i in range(count)]


def train_from_scratch(cfg) -> None:
    """``--from-scratch``: edits the mmengine Config ``cfg`` in place, so that it loads no weights.

    Every layer starts from its random initialization and learns: nothing is frozen, and batch
    statistics are in use.
    """
    for node in walk(cfg.model):
        if is_pretrained(node.get('init_cfg')):
            node['init_cfg'] = None
        if node.get('pretrained'):
            node['pretrained'] = None
        if 'frozen_stages' in node:
            node['frozen_stages'] = -1
        if 'norm_eval' in node:
            node['norm_eval'] = False
        # backbones converted from Caffe have their batch norm's weights frozen
        if node.get('requires_grad') is False:
            node['requires_grad'] = True
    cfg.load_from = None


def is_pretrained(init_cfg) -> bool:
    """Whether an ``init_cfg`` loads weights from somewhere."""
    return any(node.get('type') == 'Pretrained' for node in walk(init_cfg))
