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
        for node in walk(loader.dataset):
            _shrink_transform(node)
        loader.batch_size = BATCH_SIZE
        loader.num_workers = WORKERS
        loader.persistent_workers = True
    # whole epochs mean nothing to a schedule counted in steps
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)


def _shrink_transform(transform: dict) -> None:
    kind = str(transform.get('type')).rsplit('.', 1)[-1]
    if kind in ('RandomResize', 'RandomChoiceResize'):
        keep_ratio = transform.get('keep_ratio', True)
        transform.clear()
        transform.update(type='Resize', scale=(SIZE, SIZE), keep_ratio=keep_ratio)
    elif kind == 'Resize' and 'scale' in transform:
        transform['scale'] = (SIZE, SIZE)
    for key in ('img_scale', 'crop_size'):
        if key in transform:
            transform[key] = (SIZE, SIZE)
    if kind == 'Pad' and 'size' in transform:
        transform['size'] = (SIZE, SIZE)
