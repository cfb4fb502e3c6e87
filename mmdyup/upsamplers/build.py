import inspect

from .base import GIVEN, Upsampler, accepted_arguments, unknown_argument
from .plain import PLAIN
from .registry import find, registered

__all__ = ['accepted_arguments', 'build_upsampler', 'find_upsampler']


def build_upsampler(
    cfg: dict, in_channels: int, scale_factor: int = 2, guide_channels: int | None = None
) -> Upsampler:
    """Builds the upsampler that a config names.

    Args:
        cfg: ``type``, the name of an upsampler of ours (or its class), or 'nearest', 'bilinear',
            'deconv', 'pixel_shuffle', 'carafe' (mmcv's own), and that upsampler's own arguments.
        in_channels: Channels of the feature.
        scale_factor: The upsampling ratio.
        guide_channels: Channels of the finer feature that a guided upsampler will see, if they
            are not ``in_channels``; the others do without.

    Returns:
        A module that maps (N, in_channels, H, W) to scale_factor times the size.

    Raises:
        TypeError: ``cfg`` is not a dict, or the upsampler refuses the type of a value.
        ValueError: ``type`` is missing or unknown, it does not take one of the arguments, or the
            upsampler refuses a value.
    """
    cls, own = find_upsampler(cfg)
    if cls.guided and guide_channels is not None:
        own = dict(guide_channels=guide_channels) | own
    for name in own:
        if name in GIVEN:
            raise ValueError(
                f'upsample_cfg {cfg} does not fit its type: {name} comes from where the upsampler '
                'is built; leave it out.'
            )
        if name not in accepted_arguments(cls):
            raise ValueError(
                f'upsample_cfg {cfg} does not fit its type: {unknown_argument(cls, name)}, '
                'of which the first two come from where it is built.'
            )
    return cls(in_channels, scale_factor, **own)


def find_upsampler(cfg: dict) -> tuple[type[Upsampler], dict]:
    """The class that a config names, and the arguments it gives to it; nothing is built.

    Raises:
        TypeError: ``cfg`` is not a dict.
        ValueError: ``type`` is missing or unknown.
    """
    if not isinstance(cfg, dict):
        raise TypeError(
            f"upsample_cfg must be a dict such as dict(type='DySample'), but it is {cfg!r}."
        )
    if 'type' not in cfg:
        raise ValueError(f"upsample_cfg needs a 'type', one of {_choices()}, but it is {cfg}.")
    own = dict(cfg)
    name = own.pop('type')
    cls = PLAIN.get(name) or find(name) if isinstance(name, str) else name
    if not _is_upsampler(cls):
        raise ValueError(
            f'There is no upsampler {name!r}; upsample_cfg.type must be one of {_choices()}.'
        )
    return cls, own


def _is_upsampler(cls: object) -> bool:
    return inspect.isclass(cls) and issubclass(cls, Upsampler)


def _choices() -> str:
    ours = (name for name, cls in registered().items() if _is_upsampler(cls))
    return ', '.join((*sorted(ours), *PLAIN))
