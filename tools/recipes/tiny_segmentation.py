"""``--tiny`` for segmentors and depth: small backbone, narrow heads, small crops."""

from .config import walk
from .tiny import WORKERS, shorten_schedule, shrink_backbone

# a multiple of 32, so that DySample-S's 8 groups still divide a pixel-shuffled feature
CHANNELS = 64
TRANSFORMER_LAYERS = 2
# deformable attention, the greater part of DepthFormer's time on a CPU
ATTENTION = dict(embed_dims=32, num_heads=2, num_points=2)
# longest side of a crop, in pixels
CROP = 256
# more than two, so that batch norm has something to go by in features pooled to one pixel
BATCH_SIZE = 4


def shrink_segmentation(cfg) -> None:
    """Shrinks a segmentor's model, pictures and schedule.

    Args:
        cfg: An mmengine Config, edited in place.

    Raises:
        ValueError: The backbone or the neck is of a kind that this recipe does not know, or the
            config does not tell the size of its crops.
    """
    shrink_segmentor(cfg.model)
    shrink_crops(cfg)
    shorten_schedule(cfg)
    cfg.auto_scale_lr.base_batch_size = BATCH_SIZE


def shrink_segmentor(model: dict) -> None:
    """Shrinks backbone, neck and heads, with batch norm that needs no other processes.

    Args:
        model: The segmentor's config, edited in place.

    Raises:
        ValueError: The backbone or the neck is of a kind that this recipe does not know.
    """
    ratio = _shrink_backbone(model)
    neck = model.get('neck')
    if neck:
        ratio = _shrink_neck(neck, ratio)
    heads = [part for name, part in model.items() if name.endswith('_head')]
    for head in walk(heads):
        if 'in_channels' in head:
            head['in_channels'] = _scaled(head['in_channels'], ratio)
        if 'channels' in head:
            head['channels'] = min(head['channels'], CHANNELS)
        if 'feat_channels' in head:
            _narrow_transformers(head)
    for node in walk(model):
        if node.get('type') == 'SyncBN':
            node['type'] = 'BN'


def _shrink_neck(neck: dict, ratio: float) -> float:
    """How much narrower its outputs are, where its inputs are narrower by ``ratio``."""
    kind = neck['type'].rsplit('.', 1)[-1]
    if not kind.endswith('FPN') and kind != 'HAHINeck':
        raise ValueError(
            f'--tiny cannot shrink the neck {neck["type"]}, only FPN and HAHINeck: leave --tiny '
            'out and set the sizes with --cfg-options.'
        )
    neck['in_channels'] = _scaled(neck['in_channels'], ratio)
    if kind == 'HAHINeck':
        neck.update(ATTENTION)
        return ratio
    ratio = CHANNELS / neck['out_channels']
    neck['out_channels'] = CHANNELS
    return ratio


def _narrow_transformers(head: dict) -> None:
    """Those of MaskFormer's heads: as narrow as what they read, and shallow."""
    width = head['feat_channels']
    for node in walk(head):
        for key in ('feat_channels', 'out_channels', 'embed_dims'):
            if node.get(key) == width:
                node[key] = CHANNELS
        if 'num_feats' in node:
            # half for each axis
            node['num_feats'] = CHANNELS // 2
        if 'feedforward_channels' in node:
            node['feedforward_channels'] = node['feedforward_channels'] * CHANNELS // width
        if 'layer_cfg' in node:
            node['num_layers'] = min(node['num_layers'], TRANSFORMER_LAYERS)


def shrink_crops(cfg) -> None:
    """Makes pictures smaller, all by what shrinks the longest side of a crop to ``CROP`` pixels.

    ``BATCH_SIZE`` crops make a step.

    Args:
        cfg: An mmengine Config, edited in place.

    Raises:
        ValueError: Neither the pipeline nor the model tells the size of a crop.
    """
    crops = [node['crop_size'] for node in walk(cfg.train_dataloader) if 'crop_size' in node]
    crops += [cfg.model.get('data_preprocessor', {}).get('size')]
    if not crops[0]:
        raise ValueError(
            '--tiny finds no crop_size in this config: leave --tiny out and set the '
            'sizes with --cfg-options.'
        )
    ratio = min(1, CROP / max(_pair(crops[0])))
    loaders = [cfg.get(f'{name}_dataloader') for name in ('train', 'val', 'test')]
    parts = [loaders, cfg.model.get('data_preprocessor'), cfg.model.get('test_cfg')]
    # each once, for the loaders of validation and test are often one object
    for node in {id(node): node for node in walk(parts)}.values():
        for key in ('scale', 'crop_size', 'stride', 'size'):
            if node.get(key):
                node[key] = _scaled(_pair(node[key]), ratio)
        for key in ('scales', 'max_size'):
            if node.get(key):
                node[key] = _scaled(node[key], ratio)
    for loader in filter(None, loaders):
        loader.num_workers = WORKERS
        loader.persistent_workers = True
    cfg.train_dataloader.batch_size = BATCH_SIZE
    # whole epochs mean nothing to a schedule counted in steps
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)


def _shrink_backbone(model: dict) -> float:
    """How much narrower its outputs are now."""
    backbone = model['backbone']
    if model.get('pretrained'):
        backbone['init_cfg'] = dict(type='Pretrained', checkpoint=model['pretrained'])
        model['pretrained'] = None
    return shrink_backbone(backbone)


def _scaled(sizes: int | list | tuple, ratio: float):
    """Every size in ``sizes``, which may be lists of them."""
    many = isinstance(sizes, (list, tuple))
    return type(sizes)(_scaled(size, ratio) for size in sizes) if many else int(sizes * ratio)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return tuple(size) if isinstance(size, (list, tuple)) else (size, size)
