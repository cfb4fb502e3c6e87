"""``--tiny``: the same architecture, shrunk until a laptop's CPU trains it in minutes.

Here are the backbones and the schedule of all models, and the rest of detectors; the rest of
segmentors is in tiny_segmentation.py.
"""

from mmengine.config import ConfigDict

from .config import is_pretrained, walk

# channels of the first stage of a MixVisionTransformer or a SwinTransformer
EMBED_DIMS = 16
# a multiple of 32, so that DySample-S's 8 groups still divide a pixel-shuffled feature
NECK_CHANNELS = 64
FC_CHANNELS = 256
CHANNEL_KEYS = ('in_channels', 'out_channels', 'feat_channels', 'conv_out_channels')
# the most candidates that a stage looks at, by the name of the setting
LIMITS = {'nms_pre': 500, 'fc_out_channels': FC_CHANNELS}
PROPOSALS = 200
SAMPLES = 64
# longest side of a picture, in pixels
SIZE = 256
BATCH_SIZE = 2
# for two cores
WORKERS = 2
# a schedule counted in steps takes as long on a small folder as on a large one
STEPS = 500
WARM_UP = 40
LEARNING_RATE = 1e-3


def shrink(cfg) -> None:
    """Shrinks a detector's model, pictures and schedule.

    Args:
        cfg: An mmengine Config, edited in place.

    Raises:
        ValueError: The backbone is of a kind that this recipe does not know.
    """
    shrink_model(cfg.model)
    shrink_pictures(cfg)
    shorten_schedule(cfg)


def shrink_backbone(backbone: dict) -> float:
    """Puts a small backbone in place of a large one of the same kind.

    Args:
        backbone: Its config, edited in place.

    Returns:
        By how much the channels of its outputs shrank (0.25: a quarter of what they were).

    Raises:
        ValueError: It is neither a ResNet, nor a MixVisionTransformer, nor a SwinTransformer, nor
            one of the YOLO family's.
    """
    kind = backbone.type.rsplit('.', 1)[-1]
    if kind.startswith('ResNet') and 'depth' in backbone:
        return _resnet18(backbone, kind)
    if kind == 'MixVisionTransformer':
        return _mit(backbone)
    if kind in ('SwinTransformer', 'DepthFormerSwin'):
        return _swin(backbone, kind)
    if 'widen_factor' in backbone:
        return _csp(backbone)
    if kind == 'EfficientNetLite0':
        return 1.0
    raise ValueError(
        f'--tiny cannot shrink the backbone {kind}, only ResNets, MixVisionTransformers, '
        'SwinTransformers and those with a widen_factor: leave --tiny out and set the sizes with '
        '--cfg-options.'
    )


def _resnet18(backbone: dict, kind: str) -> float:
    """At half width, unless it starts from the published weights of the full one."""
    ratio = 0.25 if backbone.depth >= 50 else 1.0
    backbone.depth = 18
    if is_pretrained(backbone.get('init_cfg')):
        weights = 'open-mmlab://resnet18_v1c' if kind == 'ResNetV1c' else 'torchvision://resnet18'
        backbone.init_cfg = dict(type='Pretrained', checkpoint=weights)
        return ratio
    for key in ('base_channels', 'stem_channels'):
        backbone[key] = (backbone.get(key) or 64) // 2
    return ratio / 2


def _mit(backbone: dict) -> float:
    ratio = EMBED_DIMS / backbone.embed_dims
    # there are no published weights of this size
    backbone.update(embed_dims=EMBED_DIMS, init_cfg=None, num_layers=[1, 1, 1, 1])
    return ratio


def _swin(backbone: dict, kind: str) -> float:
    # DepthFormer upsamples these very channels, and DySample-S has 8 groups of a fourth of them
    embed_dims = 2 * EMBED_DIMS if kind == 'DepthFormerSwin' else EMBED_DIMS
    ratio = embed_dims / backbone.get('embed_dims', 96)
    if kind == 'DepthFormerSwin':
        backbone.stem_channels = int(backbone.get('stem_channels', 64) * ratio)
    # two layers a stage, for every second one shifts its windows; there are no published weights
    backbone.update(
        embed_dims=embed_dims,
        depths=[2, 2, 2, 2],
        num_heads=[1, 2, 4, 8],
        window_size=8,
        drop_path_rate=0.1,
        init_cfg=None,
    )
    return ratio


def _csp(backbone: dict) -> float:
    ratio = 0.25 / backbone.widen_factor
    backbone.widen_factor = 0.25
    backbone.deepen_factor = 0.33
    # there are no published weights of this size
    backbone.init_cfg = None
    return ratio


def shrink_model(model: dict) -> None:
    """Shrinks a detector's backbone, neck, and every head that reads the neck.

    Args:
        model: Its config, edited in place.

    Raises:
        ValueError: The backbone is of a kind that this recipe does not know.
    """
    ratio = shrink_backbone(model.backbone)
    necks = model.neck if isinstance(model.get('neck'), list) else [model.get('neck')]
    if necks[0] and 'out_channels' in necks[0]:
        necks[0]['in_channels'] = [int(c * ratio) for c in necks[0]['in_channels']]
        _narrow_heads(model, necks, necks[0]['out_channels'])
        necks[0]['out_channels'] = NECK_CHANNELS
    model.data_preprocessor.pop('batch_augments', None)
    for node in walk(model):
        for key, limit in LIMITS.items():
            if key in node:
                node[key] = min(node[key], limit)
    _fewer_proposals(model)
    _smaller_anchors(model)


def _narrow_heads(model: dict, necks: list, old: int) -> None:
    """What was as wide as the neck's output is as narrow as its new output."""
    heads = [part for name, part in model.items() if name not in ('backbone', 'neck')]
    for node in walk([heads, necks[1:]]):
        for key in CHANNEL_KEYS:
            value = node.get(key)
            if value == old:
                node[key] = NECK_CHANNELS
            elif isinstance(value, (list, tuple)) and set(value) == {old}:
                node[key] = [NECK_CHANNELS] * len(value)


def _fewer_proposals(model: dict) -> None:
    train = model.get('train_cfg') or {}
    test = model.get('test_cfg') or {}
    for proposals in (train.get('rpn_proposal'), test.get('rpn')):
        if proposals:
            proposals['max_per_img'] = min(proposals['max_per_img'], PROPOSALS)
    for node in walk(train):
        if 'sampler' in node and 'num' in node['sampler']:
            node['sampler']['num'] = min(node['sampler']['num'], SAMPLES)


def _smaller_anchors(model: dict) -> None:
    """Objects in small pictures are small: anchors, and the boxes that read the finest level, are
    half as wide as in large ones."""
    for node in walk(model):
        for key in ('scales', 'octave_base_scale'):
            value = node.get(key)
            if value and 'strides' in node:
                many = isinstance(value, (list, tuple))
                node[key] = [v / 2 for v in value] if many else value / 2
        if 'featmap_strides' in node and 'roi_layer' in node:
            node['finest_scale'] = node.get('finest_scale', 56) // 2


def shrink_pictures(cfg) -> None:
    """Scales pictures to a longest side of ``SIZE`` pixels; ``BATCH_SIZE`` of them make a step.

    Args:
        cfg: An mmengine Config, edited in place.
    """
    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader')
        if not loader:
            continue
        transforms = list(walk(loader.dataset))
        crop = max((max(node['crop_size']) for node in transforms if _cuts(node)), default=None)
        for node in transforms:
            _shrink_transform(node, crop)
        loader.batch_size = BATCH_SIZE
        loader.num_workers = WORKERS
        loader.persistent_workers = True
    # whole epochs mean nothing to a schedule counted in steps
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)


def _shrink_transform(transform: dict, crop: int | None) -> None:
    """``crop`` is the size in pixels that the pipeline cuts pictures to, if it does."""
    kind = str(transform.get('type')).rsplit('.', 1)[-1]
    if kind == 'RandomResize' and crop:
        # what is cut out of a larger picture must stay as large beside it
        transform['scale'] = tuple(size * SIZE // crop for size in transform['scale'])
    elif kind in ('RandomResize', 'RandomChoiceResize'):
        keep_ratio = transform.get('keep_ratio', True)
        transform.clear()
        transform.update(type='Resize', scale=(SIZE, SIZE), keep_ratio=keep_ratio)
    elif kind == 'Resize' and 'scale' in transform:
        transform['scale'] = (SIZE, SIZE)
    elif kind == 'RandomAffine':
        # a mosaic has twice the width and height of the picture cut out of its middle
        transform['border'] = tuple(
            -SIZE // 2 if border else 0 for border in transform.get('border', (0, 0))
        )
    if 'img_scale' in transform:
        transform['img_scale'] = (SIZE, SIZE)
    if _cuts(transform):
        transform['crop_size'] = (SIZE, SIZE)
    if kind == 'Pad' and 'size' in transform:
        transform['size'] = (SIZE, SIZE)


def _cuts(transform: dict) -> bool:
    """Whether it cuts pictures to a number of pixels, not to a part of them."""
    return 'crop_size' in transform and not transform.get('crop_type', 'absolute').startswith(
        'relative'
    )


def shorten_schedule(cfg) -> None:
    """Gives the mmengine Config ``cfg``, edited in place, ``STEPS`` steps of AdamW.

    The rate rises over the first ``WARM_UP`` steps and falls along a cosine to the last, where the
    model is validated.
    """
    cfg.train_cfg = ConfigDict(type='IterBasedTrainLoop', max_iters=STEPS, val_interval=STEPS)
    cfg.optim_wrapper = ConfigDict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=LEARNING_RATE, weight_decay=0.05),
        clip_grad=dict(max_norm=10, norm_type=2),
    )
    cfg.param_scheduler = [
        ConfigDict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=WARM_UP),
        ConfigDict(
            type='CosineAnnealingLR',
            eta_min_ratio=0.01,
            by_epoch=False,
            begin=WARM_UP,
            end=STEPS,
            T_max=STEPS - WARM_UP,
        ),
    ]
    cfg.auto_scale_lr = ConfigDict(enable=False, base_batch_size=BATCH_SIZE)
    cfg.log_processor = ConfigDict(type='LogProcessor', window_size=50, by_epoch=False)
    cfg.default_hooks.logger = ConfigDict(type='LoggerHook', interval=50)
    cfg.default_hooks.checkpoint = ConfigDict(
        type='CheckpointHook', by_epoch=False, interval=200, max_keep_ckpts=2
    )
    # hooks that wait for an epoch (to stop mosaics, say) would act at once or never
    cfg.custom_hooks = [
        hook for hook in cfg.get('custom_hooks') or [] if not any('epoch' in key for key in hook)
    ]


def follow_length(cfg) -> None:
    """After a change of train_cfg.max_iters in ``cfg``, edited in place, lets the rate fall to its
    end and the model be validated there too."""
    steps = cfg.train_cfg.max_iters
    cosine = cfg.param_scheduler[-1]
    if steps != STEPS and cosine.get('end') == STEPS:
        begin = min(WARM_UP, steps // 2)
        cfg.param_scheduler[0].end = begin
        if not begin:
            # a single step has nothing to rise over
            cfg.param_scheduler = [cosine]
        cosine.update(begin=begin, end=steps, T_max=steps - begin)
        cfg.train_cfg.val_interval = min(cfg.train_cfg.val_interval, steps)
