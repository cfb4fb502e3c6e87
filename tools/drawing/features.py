"""Features as pictures: their first three principal components as red, green and blue."""

import numpy as np
import torch.nn.functional as F
from matplotlib.figure import Figure

from .facts import Facts
from .grid import Grid
from .panels import frame, new_figure, show_picture
from .subjects import Call, Picture

_COMPONENTS = 3
_TAILS = (1, 99)  # percentiles between which a component goes from dark to bright


class Colours:
    """Colours of a feature, found on one map and used for others beside it.

    Args:
        x: (C, H, W), the map that they are found on.
    """

    def __init__(self, x: np.ndarray) -> None:
        pixels = x.reshape(len(x), -1).T.astype(np.float64)
        self.mean = pixels.mean(0)
        centred = pixels - self.mean
        _, vectors = np.linalg.eigh(centred.T @ centred)
        axes = vectors[:, ::-1][:, :_COMPONENTS]
        # which of two opposite directions is bright is a convention
        largest = np.abs(axes).argmax(0)
        self.axes = axes * np.sign(axes[largest, range(axes.shape[1])])
        low, high = np.percentile(self._project(x), _TAILS, axis=(0, 1))
        self.low, self.span = low, np.maximum(high - low, 1e-12)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(C, H, W) to (H, W, 3), from 0 to 1."""
        coloured = np.clip((self._project(x) - self.low) / self.span, 0, 1)
        missing = _COMPONENTS - coloured.shape[2]
        return np.pad(coloured, ((0, 0), (0, 0), (0, missing)))

    def _project(self, x: np.ndarray) -> np.ndarray:
        return (x.transpose(1, 2, 0) - self.mean) @ self.axes


def draw_features(call: Call, facts: Facts, grid: Grid, picture: Picture) -> Figure:
    """The picture, and what nearest, bilinear and this upsampler make of its feature."""
    x = call.x.float().cpu()
    colours = Colours(x[0].numpy())
    nearest = F.interpolate(x, scale_factor=grid.ratio)
    bilinear = F.interpolate(x, scale_factor=grid.ratio, mode='bilinear')
    panels = [
        ('picture', None),
        ('nearest', colours(nearest[0].numpy())),
        ('bilinear', colours(bilinear[0].numpy())),
        (type(call.upsampler).__name__, colours(facts.result)),
    ]
    if call.guide is not None:
        guide = call.guide[0].float().cpu().numpy()
        of_guide = Colours(guide)
        panels.append(('guide (colours of its own)', of_guide(guide)))
        if facts.changed is not None:
            panels.append(('guide, as it was changed', of_guide(facts.changed)))
    figure, axes = new_figure(picture, len(panels))
    for ax, (title, coloured) in zip(axes, panels, strict=True):
        if coloured is None:
            show_picture(ax, picture)
        else:
            ax.imshow(coloured, extent=grid.extent, interpolation='nearest')
        frame(ax, picture, title)
    return figure
