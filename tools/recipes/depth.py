"""``--data DIR``: any depth estimator of mmseg's, trained on a folder of one's own pictures.

    DIR/images/train/  DIR/images/val/     the pictures; images/test/ too if there is a test set
    DIR/depth/train/   DIR/depth/val/      depth maps, PNG files of the pictures' names, 16 bits,
                                           whose values are millimetres; 0 where none is known

Testing uses test/, or val/ where there is none.
"""

from copy import deepcopy
from pathlib import Path

import numpy as np
from rich.progress import track

from .config import depth_map_datasets, evaluators
from .pairs import Maps

DEPTH_MAPS = Maps('depth', 'depth map', 'depths in millimetres')
# what is cut off pictures of NYU has no place here; short edges are as long as those instead
RESIZE = dict(type='Resize', scale=(2000, 480), keep_ratio=True)


def use_depth_folder(cfg, root: str | Path) -> None:
    """Points a config for depth at a folder, and scores all pixels whose depth is known.

    Args:
        cfg: An mmengine Config, edited in place.
        root: The folder.

    Raises:
        FileNotFoundError: Something is missing from the folder.
        ValueError: A depth map does not fit its picture, or holds no depths in millimetres.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise FileNotFoundError(f'--data: there is no folder {root}.')
    suffixes = read_depth_folder(root)
    for split in ('train', 'val', 'test'):
        source = split if split in suffixes else 'val'
        # copied, for mmseg's configs write test_dataloader = val_dataloader: one object, two names
        loader = deepcopy(cfg[f'{split}_dataloader'])
        for dataset in depth_map_datasets(loader):
            pipeline = [RESIZE if step['type'] == 'NYUCrop' else step for step in dataset.pipeline]
            dataset.clear()
            dataset.update(
                type='DepthDataset',
                data_root=str(root),
                pipeline=pipeline,
                data_prefix=dict(img_path=f'images/{source}', depth_map_path=f'depth/{source}'),
                img_suffix=suffixes[source],
                depth_map_suffix='.png',
            )
        cfg[f'{split}_dataloader'] = loader
    for metric in (*evaluators(cfg.val_evaluator), *evaluators(cfg.test_evaluator)):
        for limit in ('crop_type', 'min_depth_eval', 'max_depth_eval'):
            metric.pop(limit, None)


def read_depth_folder(root: Path) -> dict[str, str]:
    """Checks the folder ``root``: images/ and depth/.

    Returns:
        For each of its parts the suffix of the pictures.

    Raises:
        FileNotFoundError: Pictures or depth maps are missing.
        ValueError: A depth map does not fit its picture, or holds no depths in millimetres.
    """
    suffixes, pairs = DEPTH_MAPS.find(root)
    for picture, path in track(pairs, 'Checking depth maps', transient=True):
        depths = DEPTH_MAPS.read(picture, path)
        if depths.dtype == np.uint8:
            raise ValueError(
                f'{path} has 8 bits: a depth map is a PNG of 16 bits, whose values are '
                f'{DEPTH_MAPS.values}.'
            )
        if not depths.any():
            raise ValueError(
                f'{path} knows no depth: values are millimetres, and 0 marks pixels without one.'
            )
    return suffixes
