"""The model, the pictures, and what every upsampler of the model was given of a picture."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from mmdyup import Upsampler
from recipes.model import build_model, make_ready, prepare_picture

# what shows something, beside weights that were learned
METHODS = ('points', 'kernels', 'gates')
CHECKPOINTS = ('.pth', '.pt', '.ckpt')


@dataclass
class Call:
    """What an upsampler was given of one picture.

    Attributes:
        name: Its name in the model.
        upsampler: Itself.
        x: The coarse feature, (1, C, H, W).
        guide: The finer feature, (1, C', sH, sW), of one that is guided, else None.
    """

    name: str
    upsampler: Upsampler
    x: Tensor
    guide: Tensor | None

    @property
    def maps(self) -> tuple[Tensor, ...]:
        """What its methods take."""
        return (self.x,) if self.guide is None else (self.x, self.guide)

    def has(self, method: str) -> bool:
        return hasattr(self.upsampler, method)

    def about(self, stride: int) -> str:
        """What it is and the sizes of its maps, where a coarse pixel is ``stride`` pixels wide."""
        s, (c, h, w) = self.upsampler.scale_factor, self.x.shape[1:]
        own = self.upsampler.extra_repr()
        return (
            f'{type(self.upsampler).__name__}({own}): {c} channels, {h}×{w} to {s * h}×{s * w}. '
            f'A coarse pixel is {stride} pixels of the picture wide.'
        )


@dataclass
class Picture:
    """A picture as its model sees it.

    Attributes:
        path: Its file.
        image: (H, W, 3) uint8 RGB: resized, and padded with grey on the right and below.
        inside: Height and width without the padding.
        scale: How many pixels of ``image`` a pixel of the file is wide and high.
    """

    path: Path
    image: np.ndarray
    inside: tuple[int, int]
    scale: tuple[float, float]

    def seen(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the file lies in ``image``."""
        return x * self.scale[0], y * self.scale[1]

    def check_pixels(self, pixels: list[tuple[float, float]]) -> None:
        """Raises ValueError unless all of these lie in the file."""
        height, width = (round(n / m) for n, m in zip(self.inside, self.scale[::-1], strict=True))
        for x, y in pixels:
            if not (0 <= x < width and 0 <= y < height):
                raise ValueError(
                    f'--at {x:g} {y:g} lies outside of {self.path}, which has {width}×{height} '
                    'pixels; give a column and a row inside.'
                )


def is_checkpoint(file: str) -> bool:
    """Whether a file's name is that of a checkpoint, not of a picture."""
    return Path(file).suffix in CHECKPOINTS


def check_picture(file: str) -> None:
    """Raises FileNotFoundError where there is no such file, ValueError where it is no picture."""
    if not Path(file).is_file():
        raise FileNotFoundError(f'There is no picture {file}.')
    try:
        readable = mmcv.imread(file) is not None
    except (OSError, ValueError):
        readable = False
    if not readable:
        raise ValueError(f'{file} is no picture that can be read: give a PNG or JPEG file.')


def prepare_model(cfg: Config, checkpoint: str | None) -> nn.Module:
    """The model of a config, in eval mode, with the weights of ``checkpoint`` if there is one.

    Raises:
        ValueError: The checkpoint is of another model, or no upsampler has anything to draw.
    """
    model = build_model(cfg)
    if not upsamplers_of(model):
        raise ValueError(
            f'No upsampler of {cfg.filename} has anything to draw; take a config whose '
            'upsample_cfg is not an interpolation, such as configs/faster_rcnn_dysample.py.'
        )
    return make_ready(model, cfg, checkpoint)


def upsamplers_of(model: nn.Module) -> dict[str, Upsampler]:
    """The upsamplers that are more than an interpolation, by their names in the model."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, Upsampler)
        and (any(True for _ in module.parameters()) or any(hasattr(module, m) for m in METHODS))
    }


def look_at(model: nn.Module, cfg: Config, path: str) -> tuple[Picture, list[Call]]:
    """Runs the model on a picture; what it sees, and what its upsamplers were given.

    Raises:
        ValueError: The config has no pipeline for pictures.
    """
    sample = prepare_picture(cfg, path)
    sizes = []
    handle = model.data_preprocessor.register_forward_hook(
        lambda module, args, out: sizes.append(out['inputs'].shape[-2:])
    )
    try:
        with torch.no_grad(), caught(model) as calls:
            model.test_step(pseudo_collate([sample]))
    finally:
        handle.remove()
    inputs, meta = sample['inputs'], sample['data_samples'].metainfo
    inside = tuple(inputs.shape[-2:])
    image = np.full((*sizes[0], 3), 128, np.uint8)
    image[: inside[0], : inside[1]] = inputs.flip(0).permute(1, 2, 0).numpy()
    height, width = meta['ori_shape'][:2]
    scale = (inside[1] / width, inside[0] / height)
    return Picture(Path(path), image, inside, scale), calls


@contextmanager
def caught(model: nn.Module) -> Iterator[list[Call]]:
    """Fills the list that it gives with the first call of every upsampler, in their order."""
    calls, removals = {}, []

    def note(name: str, upsampler: Upsampler, x: Tensor, guide: Tensor | None = None) -> None:
        guide = guide if upsampler.guided else None
        calls.setdefault(name, Call(name, upsampler, x.detach(), guide))

    for name, upsampler in upsamplers_of(model).items():
        removals.append(_wrap(upsampler, name, note))
    order = []
    try:
        yield order
    finally:
        for remove in removals:
            remove()
    order.extend(calls.values())


def _wrap(upsampler: Upsampler, name: str, note: Callable) -> Callable[[], None]:
    """Has ``fuse`` and ``forward`` tell ``note`` of what they are given; what undoes it."""
    fuse = upsampler.fuse

    def noted_fuse(x: Tensor, guide: Tensor | None) -> tuple[Tensor, Tensor | None]:
        note(name, upsampler, x, guide)
        return fuse(x, guide)

    # one that changes the finer level need not call its forward
    upsampler.fuse = noted_fuse
    handle = upsampler.register_forward_pre_hook(
        lambda module, args, options: note(name, upsampler, *args, **options), with_kwargs=True
    )

    def undo() -> None:
        del upsampler.fuse
        handle.remove()

    return undo
