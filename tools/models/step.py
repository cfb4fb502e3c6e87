"""One training step of a whole stock model with parts of ours in it."""

from collections.abc import Iterator

import torch
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from torch import nn

import mmdyup

from .count import Stock
from .rewrite import from_scratch

# in the names of configs, from the smallest on
_SMALL = ('nano', 'tiny', '-t_', '-t-', 'r18', 'm-v3', 'b0', '-s_', '-s-', 'r50', 'hr18', 'w18')


def step_each(framework: str, stocks: list[Stock]) -> Iterator[str]:
    """Takes a step with the smallest config of each family and set of parts.

    Yields:
        A line for each: the config, and that it learns, or why it could not be tried.
    """
    kinds = {}
    for stock in stocks:
        if stock.reached:
            kinds.setdefault((stock.family, stock.parts), []).append(stock)
    learned = 0
    for (family, parts), found in kinds.items():
        stock = min(found, key=lambda stock: (_size(stock.path.stem), stock.path))
        verdict = step(framework, stock.model)
        learned += verdict == 'learns'
        yield f'{family}/{stock.path.stem} ({", ".join(parts)}): {verdict}'
    yield f'{framework}: {learned} of {len(kinds)} kinds took a step and learned.'


def step(framework: str, model: dict, size: int = 128) -> str:
    """What a step on two random pictures of this size comes to, in a word or a reason."""
    try:
        with DefaultScope.overwrite_default_scope(framework):
            built = MODELS.build(from_scratch(model))
            built.train()
            losses = built(**_samples(framework, built, size), mode='loss')
            loss, _ = built.parse_losses(losses)
            if not loss.isfinite():
                return 'not tried (its loss is not finite without pretrained weights)'
            loss.backward()
    except Exception as error:  # any parent's, of any kind
        return ' '.join(f'not tried ({type(error).__name__}: {error})'.split())[:200]
    upsamplers = [m for m in built.modules() if isinstance(m, mmdyup.Upsampler)]
    without = sum(
        not all(p.grad is not None and p.grad.isfinite().all() for p in upsampler.parameters())
        for upsampler in upsamplers
    )
    return f'{without} of {len(upsamplers)} upsamplers have no gradient' if without else 'learns'


def _size(name: str) -> int:
    return next((i for i, part in enumerate(_SMALL) if part in name), len(_SMALL))


def _samples(framework: str, model: nn.Module, size: int) -> dict:
    """Pictures and what is on them, as the model's preprocessor gives them."""
    if framework == 'mmdet':
        from mmdet.testing import demo_mm_inputs

        data = demo_mm_inputs(
            2, [(3, size, size)] * 2, num_classes=2, with_mask=True, with_semantic=True
        )
        return model.data_preprocessor(data, True)
    from mmseg.structures import SegDataSample

    samples = [
        SegDataSample(
            gt_sem_seg=PixelData(data=torch.randint(0, 2, (1, size, size))),
            gt_depth_map=PixelData(data=torch.rand(1, size, size)),
            metainfo=dict(img_shape=(size, size), ori_shape=(size, size), pad_shape=(size, size)),
        )
        for _ in range(2)
    ]
    return dict(inputs=torch.randn(2, 3, size, size), data_samples=samples)
