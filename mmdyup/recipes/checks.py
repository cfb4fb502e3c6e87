"""What can be known to be missing before a model is built."""

import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import torch
from mmengine.runner.checkpoint import get_external_models, get_torchvision_models

from ..pyramid import OF_YOLOX
from ..upsamplers import find_upsampler
from .semantic import label_map_datasets
from .walk import leaf_datasets, walk

TIMEOUT = 5  # seconds to wait for a server


def check_data(cfg, splits: tuple[str, ...]) -> None:
    """Raise FileNotFoundError when an annotation file or a picture folder is missing that the
    dataloaders of `splits` ('train', 'val', 'test') in the mmengine Config `cfg` read."""
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        for dataset in leaf_datasets(loader) or label_map_datasets(loader):
            root = dataset.get('data_root') or ''
            paths = [dataset.get('ann_file'), *dataset.get('data_prefix', {}).values()]
            for path in filter(None, paths):
                # remote storage is mmengine's to look up
                if '://' in f'{root}{path}' or (Path(root) / path).exists():
                    continue
                raise FileNotFoundError(
                    f'{Path(root) / path} is missing: put the data set there, or train on the '
                    'built-in one with --shapes or on a folder of your own with --data DIR.'
                )


def check_upsamplers(cfg) -> None:
    """Raise ValueError when a part of the model in the mmengine Config `cfg` that is ours names an
    upsampler that there is not."""
    for node in walk(cfg.model):
        named = node.get('upsample_cfg')
        if named and named != OF_YOLOX and str(node.get('type')).startswith('Dy'):
            find_upsampler(named)


def check_weights(cfg) -> None:
    """Raise ValueError when the mmengine Config `cfg` starts from pretrained weights that are
    neither on this disk nor within reach."""
    sources = [
        node[key]
        for node in walk(cfg.model)
        for key in ('checkpoint', 'pretrained')
        if isinstance(node.get(key), str)
    ]
    for source in sources:
        if not available(source):
            raise ValueError(
                f'The pretrained weights {source} cannot be had from here: connect to the '
                'network, or train without them by adding --from-scratch.'
            )


def check_checkpoint(source: str) -> None:
    """Raise FileNotFoundError unless the checkpoint `source`, a path or an address, exists."""
    if not available(source):
        raise FileNotFoundError(f'There is no checkpoint {source}: give the path of a .pth file.')


def available(source: str) -> bool:
    """Whether the weights `source` (a path, a web address or a name like 'torchvision://resnet50')
    lie on this disk, in torch hub's cache, or on a server that answers."""
    url = _web_address(source)
    if url is None:
        return '://' in source or Path(source).is_file()
    name = Path(urlsplit(url).path).name
    if (Path(torch.hub.get_dir()) / 'checkpoints' / name).is_file():
        return True
    try:
        urllib.request.urlopen(urllib.request.Request(url, method='HEAD'), timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:
        return error.code == 405  # a server that is there but does not answer HEAD
    except OSError:
        return False
    return True


def _web_address(source: str) -> str | None:
    """The address behind the names that mmengine gives to published weights."""
    scheme, _, name = source.partition('://')
    if scheme in ('http', 'https'):
        return source
    if scheme in ('torchvision', 'modelzoo'):
        return get_torchvision_models().get(name)
    if scheme in ('open-mmlab', 'openmmlab', 'open_mmlab'):
        return get_external_models().get(name)
    return None
