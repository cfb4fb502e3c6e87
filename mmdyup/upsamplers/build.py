import inspect

from mmengine.registry import MODELS

from .base import Upsampler
from .plain import PLAIN_TYPES, PlainUpsampler


def build_upsampler(
    cfg: dict, in_channels: int, scale_factor: int = 2, guide_channels: int | None = None
) -> Upsampler:
    """Builds the upsampler that a config names.

    Args:
        cfg: ``type``, the name of an upsampler of ours (or its class) or one of mmcv's 'nearest',
            'bilinear', 'deconv', 'pixel_shuffle', 'carafe', and that upsampler's own arguments.
        in_channels: Channels of the feature.
        scale_factor: The upsampling ratio.
        guide_channels: Channels of the finer feature that a guided upsampler will see, if they
            are not ``in_channels``; the others do without.

    Returns:
        A module that maps (N, in_channels, H, W) to scale_factor times the size.

    Raises:
        TypeError: ``cfg`` is not a dict.
        ValueError: ``type`` is missing or unknown, or it does not take one of the arguments.
    """
    cls, own = find_upsampler(cfg)
    if cls.guided and guide_channels is not None:
        own = dict(guide_channels=guide_channels) | own
    try:
        return cls(in_channels, scale_factor, **own)
    except TypeError as error:
        raise ValueError(f'upsample_cfg {cfg} does not fit its type: {error}') from error


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
    if cfg['type'] in PLAIN_TYPES:
        return PlainUpsampler, cfg
    own = dict(cfg)
    name = own.pop('type')
    cls = name if inspect.isclass(name) else MODELS.get(name)
    if not (inspect.isclass(cls) and issubclass(cls, Upsampler)):
        raise ValueError(
            f'There is no upsampler {name!r}; upsample_cfg.type must be one of {_choices()}.'
        )
    return cls, own


def accepted_arguments(cls: type[Upsampler]) -> set[str]:
    """The arguments of its own that an upsampler takes: what its config may hold."""
    plain = {'align_corners', 'compressed_channels', 'type'} if cls is PlainUpsampler else set()
    return (plain | set(inspect.signature(cls).parameters)) - {'in_channels', 'scale_factor'}


def list_upsamplers() -> dict[str, dict]:
    """Every upsampler by name, with its config for :func:`build_upsampler`."""
    cfgs = {name.lower(): dict(type=name) for name in ('DySample', 'DLU', 'CARAFE', 'FADE', 'SAPA')}
    return cfgs | dict(dysample_s_plus=dict(type='DySample', style='pl', groups=8, dyscope=True))


def _choices() -> str:
    ours = {
        name
        for name, cls in MODELS.module_dict.items()
        if inspect.isclass(cls) and issubclass(cls, Upsampler)
    }
    return ', '.join((*sorted(ours), *PLAIN_TYPES))
