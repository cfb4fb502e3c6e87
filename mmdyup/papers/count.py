"""Parameters and FLOPs of a built model, by every convention a table may follow."""

from dataclasses import dataclass

import torch
from mmengine.analysis import FlopAnalyzer
from torch import nn

from ..upsamplers import Upsampler

# what mmengine counts beside products
_MINOR = (
    'batch_norm',
    'group_norm',
    'layer_norm',
    'instance_norm',
    'adaptive_avg_pool2d',
    'upsample_nearest2d',
    'upsample_bilinear2d',
)


@dataclass(frozen=True)
class Count:
    """The numbers of one model.

    Args:
        parameters: All of them.
        trainable: Those that are not frozen.
        biases: Those of the upsamplers' biases, all trainable.
        flops: All that mmengine counts: of every product, norm and interpolation.
        products: Convolutions, matrix products and dynamic sampling alone.
    """

    parameters: int
    trainable: int
    biases: int
    flops: float
    products: float

    def by_parameters(self) -> dict[str, float]:
        """The parameters by convention."""
        return {
            'all': self.parameters,
            'trainable': self.trainable,
            'all, no biases': self.parameters - self.biases,
            'trainable, no biases': self.trainable - self.biases,
        }

    def by_flops(self) -> dict[str, float]:
        """The FLOPs by convention."""
        return {'all': self.flops, 'products': self.products}


def count(model: nn.Module, shape: tuple[int, ...], scale: float = 1) -> Count:
    """Counts what ``model`` holds, and what it does to an input of ``shape``.

    Args:
        model: In eval mode, with one tensor as its input.
        shape: (N, C, H, W).
        scale: Multiplies the FLOPs, of which mmengine counts one for every multiply-add.
    """
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    biases = {
        id(p): p.numel()
        for module in model.modules()
        if isinstance(module, Upsampler)
        for name, p in module.named_parameters()
        if name.rpartition('.')[2] == 'bias'
    }
    analyzer = FlopAnalyzer(model, (torch.zeros(shape),))
    analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analyzer.tracer_warnings('none')
    with torch.no_grad():
        flops = analyzer.by_operator()
    minor = sum(flops[name] for name in _MINOR)
    return Count(
        sum(size for size, _ in sizes),
        sum(size for size, trained in sizes if trained),
        sum(biases.values()),
        scale * flops.total(),
        scale * (flops.total() - minor),
    )
