import inspect
from collections.abc import Sequence

from mmdet.registry import MODELS
from torch import nn

from ..blocks import HybridDown

# what the neck says of a block, so that a config cannot
_GIVEN = ('c1', 'c2', 's')


def replace_downsampling(
    convs: nn.ModuleList, downsample_cfg: dict | None, channels: Sequence[int]
) -> None:
    """Puts blocks in the place of a neck's convolutions of stride 2.

    ``HybridDown`` keeps the convolution and its names, and adds its path beside it: the parent's
    state fits, and the output is the parent's until beta is trained.

    Args:
        convs: The convolutions, which keep channels.
        downsample_cfg: ``type``, the name or class of a block that is called with (c1, c2, ...), as
            those of :mod:`mmdyup.blocks`, and its own arguments; None leaves the convolutions.
        channels: Channels of each convolution.

    Raises:
        TypeError: ``downsample_cfg`` is not a dict.
        ValueError: It names no such block, or one that does not take its arguments.
    """
    if downsample_cfg is None:
        return
    cls, own = _find_block(downsample_cfg)
    for i, (conv, c) in enumerate(zip(convs, channels, strict=True)):
        if issubclass(cls, HybridDown):
            convs[i] = HybridDown.beside(conv, c, c, **own)
        else:
            convs[i] = cls(c, c, **own)


def _find_block(cfg: dict) -> tuple[type[nn.Module], dict]:
    if not isinstance(cfg, dict):
        raise TypeError(
            f"downsample_cfg must be a dict such as dict(type='SPDConv'), but it is {cfg!r}."
        )
    own = dict(cfg)
    name = own.pop('type', None)
    cls = name if inspect.isclass(name) else name and MODELS.get(name)
    accepted = list(inspect.signature(cls).parameters) if cls else []
    if accepted[:2] != ['c1', 'c2']:
        raise ValueError(
            f'downsample_cfg.type must be a block that makes c2 channels of c1, such as SPDConv, '
            f'SPDConvLite or HybridDown, but it is {name!r}.'
        )
    if issubclass(cls, HybridDown):  # the kernel is that of the neck's convolution
        accepted.remove('k')
    accepted = [argument for argument in accepted if argument not in _GIVEN]
    for argument in own:
        if argument not in accepted:
            raise ValueError(
                f'downsample_cfg {cfg} does not fit its type, which takes no {argument!r} here; '
                f'it takes {", ".join(accepted) or "nothing"}.'
            )
    return cls, own
