"""How the weights of a layer start; its bias starts at 0. A layer without weights is left alone.

They draw what mmengine's functions of these names draw.
"""

from collections.abc import Callable

from torch import nn


def xavier_init(layer: nn.Module) -> None:
    """Uniform weights of variance 2 / (fan in + fan out)."""
    _init(layer, nn.init.xavier_uniform_)


def normal_init(layer: nn.Module, std: float) -> None:
    """Normal weights of mean 0 and this standard deviation."""
    _init(layer, nn.init.normal_, std=std)


def constant_init(layer: nn.Module, value: float) -> None:
    """Weights that are all ``value``."""
    _init(layer, nn.init.constant_, val=value)


def _init(layer: nn.Module, init: Callable, **options) -> None:
    if getattr(layer, 'weight', None) is not None:
        init(layer.weight, **options)
    if getattr(layer, 'bias', None) is not None:
        nn.init.zeros_(layer.bias)
