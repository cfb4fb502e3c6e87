"""Small pictures, and dataloaders for two cores."""

from ..walk import walk

# longest side, in pixels
SIZE = 256
BATCH_SIZE = 2
WORKERS = 2


def shrink_pictures(cfg) -> None:
    """Edit the dataloaders of the mmengine Config `cfg` in place: pictures are scaled to a longest
    side of `SIZE` pixels, `BATCH_SIZE` of them make a step."""
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
    """`crop` is the size in pixels that the pipeline cuts pictures to, if it does."""
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
