"""What can be known to be wrong or missing before a model is built or tested."""

import inspect
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import torch
from mmengine.registry import MODELS
from mmengine.runner.checkpoint import get_external_models, get_torchvision_models

from mmdyup.pyramid import DynamicPart, effective_upsample_cfg

from .config import walk
from .data.check import check_splits, mend_files
from .data.report import Report
from .data.sources import named_datasets

TIMEOUT = 5  # seconds to wait for a server


def check_data(cfg, splits: tuple[str, ...], pictures: bool = True) -> Report:
    """Checks the data of a run, tells of it, and keeps that in the work dir as data.txt.

    Where something is ours to give, such as ids of annotations, the config is edited to read a
    copy that has it, also in the work dir.

    Args:
        cfg: An mmengine Config, edited in place.
        splits: Of 'train', 'val' and 'test', those whose dataloaders will be used.
        pictures: Whether pictures and maps are read; else annotation files alone.

    Returns:
        Warnings and the summary.

    Raises:
        FileNotFoundError: An annotation file or a folder is missing.
        ValueError: The data is wrong; a line an error.
    """
    _check_paths(cfg, splits)
    # one of several processes reads pictures, and tells
    first = cfg.get('launcher', 'none') == 'none' or rank() == 0
    report = check_splits(cfg, splits, pictures and first)
    if report.errors:
        raise ValueError('\n'.join(map(str, report.errors)))
    folder = Path(cfg.work_dir)
    try:
        mend_files(cfg, splits, folder / 'data')
        if first and report.summary:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / 'data.txt').write_text(f'{report}\n', encoding='utf-8')
    except OSError as error:
        raise ValueError(
            f'--work-dir: nothing can be written to {folder} ({error.strerror}); give another '
            'folder.'
        ) from error
    if first and report.summary:
        print(report, flush=True)
    return report


def rank() -> int:
    """Which of the processes of a run this is, before they have met."""
    names = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
    return int(next((os.environ[name] for name in names if name in os.environ), 0))


def _check_paths(cfg, splits: tuple[str, ...]) -> None:
    for split in splits:
        loader = (cfg.get(f'{split}_dataloader') or {}).get('dataset')
        for _, dataset in named_datasets(loader, split):
            root = dataset.get('data_root') or ''
            paths = [dataset.get('ann_file'), *(dataset.get('data_prefix') or {}).values()]
            for path in filter(None, paths):
                # remote storage is mmengine's to look up
                if '://' in f'{root}{path}' or (Path(root) / path).exists():
                    continue
                raise FileNotFoundError(
                    f'{Path(root) / path} is missing: put the data set there, or train on the '
                    'built-in one with --shapes or on a folder of your own with --data DIR.'
                )


def check_upsamplers(cfg) -> None:
    """Checks that parts of ours can take the upsamplers that they name.

    Args:
        cfg: An mmengine Config.

    Raises:
        TypeError: An ``upsample_cfg`` is no dict.
        ValueError: There is no such upsampler, or it does not take one of the arguments.
    """
    for part in our_parts(cfg):
        effective_upsample_cfg(part.get('upsample_cfg'), dict(type='nearest'))


def our_parts(cfg) -> list[dict]:
    """The parts of the mmengine Config ``cfg`` that take ``upsample_cfg``, as they stand in it."""
    with MODELS.switch_scope_and_registry(cfg.get('default_scope')) as models:
        return [node for node in walk(cfg.model) if _is_ours(node.get('type'), models)]


def _is_ours(kind: type | str | None, models) -> bool:
    """Whether the registry ``models`` builds a part of ours from the type ``kind``."""
    cls = models.get(kind) if isinstance(kind, str) else kind
    return inspect.isclass(cls) and issubclass(cls, DynamicPart)


def check_weights(cfg) -> None:
    """Raises ValueError where the mmengine Config ``cfg`` starts from pretrained weights that are
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


def available(source: str) -> bool:
    """Whether weights lie on this disk, in torch hub's cache, or on a server that answers.

    Args:
        source: A path, a web address, or a name like 'torchvision://resnet50'.
    """
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
