"""Pictures of known depth: a data set, and what the training on NYU Depth V2 does to them."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets import NYUDataset
from mmseg.registry import DATASETS, TRANSFORMS


@DATASETS.register_module()
class DepthDataset(NYUDataset):
    """mmseg's NYUDataset for pictures of any name: it knows no categories of scenes.

    The parent reads a category from every name, in which it needs a digit.
    """

    METAINFO = dict(classes=(), palette=[])

    def _get_category_id_from_filename(self, image_fname: str) -> int:
        return -1


@TRANSFORMS.register_module()
class NYUCrop(BaseTransform):
    """Cuts the white border off a picture of NYU Depth V2 and off its depth map.

    Rows 45 to 471 and columns 43 to 607 stay, 427×565 of 480×640, as in the training of BTS (Lee
    et al., arXiv 1907.10326) and DepthFormer. It changes ``img``, ``img_shape`` and the maps that
    ``seg_fields`` names.
    """

    def transform(self, results: dict) -> dict:
        """The cut picture, with all else that ``results`` has.

        Raises:
            ValueError: The picture is of another size.
        """
        if results['img'].shape[:2] != (480, 640):
            height, width = results['img'].shape[:2]
            raise ValueError(
                f'NYUCrop cuts pictures of 640x480, but {results.get("img_path")} has '
                f'{width}x{height}: leave NYUCrop out of the pipeline.'
            )
        for key in ('img', *results['seg_fields']):
            results[key] = results[key][45:472, 43:608]
        results['img_shape'] = results['img'].shape[:2]
        return results


@TRANSFORMS.register_module()
class RandomColors(BaseTransform):
    """Changes contrast, brightness and tint of a picture, as the training of DepthFormer does.

    A pixel's values from 0 to 255 are raised to a power, multiplied by one factor for the picture
    and one for each channel, and clipped: all drawn evenly from these ranges.

    Args:
        prob: The probability that a picture is changed.
        gamma: The range of the power.
        brightness: The range of the picture's factor.
        color: The range of the channels' factors.
    """

    def __init__(
        self,
        prob: float = 0.5,
        gamma: tuple[float, float] = (0.9, 1.1),
        brightness: tuple[float, float] = (0.75, 1.25),
        color: tuple[float, float] = (0.9, 1.1),
    ) -> None:
        self.prob = prob
        self.gamma = gamma
        self.brightness = brightness
        self.color = color

    @cache_randomness
    def _draw(self) -> tuple[float, np.ndarray] | None:
        """The power and the factors of the channels, None where all stays as it is."""
        if np.random.random() >= self.prob:
            return None
        factors = np.random.uniform(*self.brightness) * np.random.uniform(*self.color, size=3)
        return np.random.uniform(*self.gamma), factors

    def transform(self, results: dict) -> dict:
        """``results`` with another ``img``, float32 where it was changed."""
        drawn = self._draw()
        if drawn:
            gamma, factors = drawn
            image = results['img'].astype(np.float32) ** gamma * factors
            results['img'] = image.clip(0, 255).astype(np.float32)
        return results
