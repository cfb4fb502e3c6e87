"""Parameters and FLOPs of a built model, by every convention a table may follow."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.analysis import FlopAnalyzer
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from mmdyup.upsamplers import Upsampler

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


def build_whole(path: Path, framework: str) -> nn.Module:
    """The model of the config file ``path``, in eval mode, that maps a picture to all outputs.

    Args:
        path: A config of a two-stage detector of mmdet's or a segmentor of mmseg's.
        framework: 'mmdet' or 'mmseg'.
    """
    cfg = Config.fromfile(path)
    registry = importlib.import_module(f'{framework}.registry').MODELS
    with DefaultScope.overwrite_default_scope(framework):
        model = registry.build(cfg.model)
    return whole(model).eval()


def whole(model: nn.Module) -> nn.Module:
    """``model`` as a module that maps a picture to all outputs, as far as it is not one itself."""
    if hasattr(model, 'roi_head'):
        return TwoStage(model)
    if hasattr(getattr(model, 'decode_head', None), 'pixel_decoder'):
        return MaskSegmentor(model)
    return model


class TwoStage(nn.Module):
    """A two-stage detector with as many regions as its test settings allow.

    How many regions a detector proposes depends on its weights, and mmdet's own
    ``mode='tensor'`` leaves out the semantic head of Panoptic FPN: neither would do for FLOPs
    that are to be compared.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, picture: Tensor) -> list:
        """(1, 3, H, W) to the outputs of all heads."""
        detector, heads = self.detector, self.detector.roi_head
        levels = detector.extract_feat(picture)
        outs = [
            detector.rpn_head(levels),
            heads.bbox_head(
                _regions(levels, heads.bbox_roi_extractor, detector.test_cfg.rpn.max_per_img)
            ),
        ]
        if heads.with_mask:
            outs.append(
                heads.mask_head(
                    _regions(levels, heads.mask_roi_extractor, detector.test_cfg.rcnn.max_per_img)
                )
            )
        if getattr(detector, 'with_semantic_head', False):
            outs.append(detector.semantic_head(levels))
        return outs


class MaskSegmentor(nn.Module):
    """A segmentor of mmseg's that predicts masks, such as MaskFormer, up to the scores of pixels.

    Its head asks for the sizes of the pictures, which mmseg's own ``mode='tensor'`` does not give.
    """

    def __init__(self, segmentor: nn.Module) -> None:
        super().__init__()
        self.segmentor = segmentor

    def forward(self, picture: Tensor) -> Tensor:
        """(1, 3, H, W) to (1, number of classes, H, W)."""
        # numbers, where PyTorch before 2.4 traces tensors, which mmengine could not copy
        size = tuple(map(int, picture.shape[-2:]))
        return self.segmentor.encode_decode(picture, [dict(img_shape=size, ori_shape=size)])


def _regions(levels: tuple[Tensor, ...], extractor: nn.Module, count: int) -> Tensor:
    """Features as RoIAlign hands them on, whose own work no counter of FLOPs sees."""
    return levels[0].new_zeros(count, extractor.out_channels, *extractor.roi_layers[0].output_size)
