"""``--data DIR``: any depth estimator of mmseg's, trained on a folder of one's own pictures.

    DIR/images/train/  DIR/images/val/     the pictures; images/test/ too if there is a test set
    DIR/depth/train/   DIR/depth/val/      depth maps, PNG files of the pictures' names, 16 bits,
                                           whose values are millimetres; 0 where none is known

Testing uses test/, or val/ where there is none.
"""

from pathlib import Path

from .config import evaluators
from .data.maps import DEPTHS
from .pairs import use_map_folder

# what is cut off pictures of NYU has no place here; short edges are as long as those instead
RESIZE = dict(type='Resize', scale=(2000, 480), keep_ratio=True)


def use_depth_folder(cfg, root: str | Path) -> None:
    """Points a config for depth at a folder, and scores all pixels whose depth is known.

    Args:
        cfg: An mmengine Config, edited in place.
        root: The folder.

    Raises:
        FileNotFoundError: Something is missing from the folder.
        ValueError: Something is wrong with the folder.
    """
    use_map_folder(cfg, root, DEPTHS, lambda root, pairs: _depth_dataset)
    for metric in (*evaluators(cfg.val_evaluator), *evaluators(cfg.test_evaluator)):
        for limit in ('crop_type', 'min_depth_eval', 'max_depth_eval'):
            metric.pop(limit, None)


def _depth_dataset(dataset: dict) -> dict:
    pipeline = [RESIZE if step['type'] == 'NYUCrop' else step for step in dataset['pipeline']]
    return dict(type='DepthDataset', pipeline=pipeline, depth_map_suffix='.png')
