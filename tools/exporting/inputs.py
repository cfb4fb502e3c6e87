"""What a graph is compared on: a picture and random numbers, at two sizes."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from recipes.config import walk
from recipes.model import prepare_picture
from shapes.scene import make_scene

PICTURES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff')


def inputs_of(cfg, model: nn.Module, size: list[int] | None) -> list[dict[str, Tensor]]:
    """For each of two sizes, normalized pictures (1, 3, H, W) by what they are.

    Args:
        cfg: The mmengine Config of the model, whose pipeline prepares a picture of its data, or a
            drawn scene where the data are not on this disk.
        model: Its preprocessor normalizes.
        size: Height and width of the first size; by default what the pipeline makes.

    Raises:
        ValueError: The config has no pipeline for pictures.
    """
    image, name = _normalized(cfg, model)
    divisor = _divisor(model.data_preprocessor)
    first = size or image.shape[2:]
    # another shape, and one that is no multiple of much
    other = (3 * first[0] // 4 + 5, first[1] // 2 + 3)
    generator = torch.Generator().manual_seed(0)
    inputs = []
    for wanted in (first, other):
        h, w = (-(-n // divisor) * divisor for n in wanted)
        scaled = F.interpolate(image, (h, w), mode='bilinear')
        noise = torch.randn(1, 3, h, w, generator=generator)
        inputs.append({f'{name}, {h}×{w}': scaled, f'random numbers, {h}×{w}': noise})
    return inputs


def normalization(model: nn.Module) -> dict[str, str]:
    """How a picture of 0 to 255 becomes the graph's input."""
    preprocessor = model.data_preprocessor
    # mmengine's name and mmseg's
    swaps = (getattr(preprocessor, name, False) for name in _CONVERSIONS)
    numbers = (
        getattr(preprocessor, name, torch.tensor(float(name == 'std'))) for name in ('mean', 'std')
    )
    mean, std = (', '.join(f'{value:g}' for value in n.flatten().tolist()) for n in numbers)
    # OpenCV reads BGR
    return dict(channels='RGB' if any(swaps) else 'BGR', mean=mean, std=std)


_CONVERSIONS = ('_channel_conversion', 'channel_conversion')


def _normalized(cfg, model: nn.Module) -> tuple[Tensor, str]:
    file = _picture_of(cfg)
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / 'scene.png'
        if file is None:
            cv2.imwrite(str(drawn), make_scene(np.random.default_rng(0), 512).picture)
        sample = prepare_picture(cfg, file or drawn)
    data = model.data_preprocessor(pseudo_collate([sample]), False)
    return data['inputs'], file.name if file else 'a drawn scene'


def _picture_of(cfg) -> Path | None:
    """A picture of the config's data, where these are on this disk."""
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader') or {}
    for dataset in walk(loader.get('dataset')):
        prefix = dataset.get('data_prefix') or {}
        images = prefix.get('img_path') or prefix.get('img')
        folder = Path(dataset.get('data_root') or '') / (images or '')
        if images and folder.is_dir():
            files = (file for file in folder.iterdir() if file.suffix.lower() in PICTURES)
            return min(files, default=None)
    return None


def _divisor(preprocessor: nn.Module) -> int:
    """What the preprocessor rounds the sizes of pictures up to."""
    test = getattr(preprocessor, 'test_cfg', None) or {}
    return getattr(preprocessor, 'pad_size_divisor', None) or test.get('size_divisor') or 1
