import inspect
from typing import ClassVar

from torch import nn

from ..ops.backends import warn_once
from ..upsamplers import accepted_arguments, find_upsampler

# What a config may inherit from a stock one, and our parts have no use for. In FPN, YOLOX, YOLACT
# and CrowdDet `upsample_cfg` holds arguments of F.interpolate, ...
_INTERPOLATION = ('mode', 'align_corners', 'scale_factor')
# ... in FPN_CARAFE all of CARAFE's.
_CARAFES = dict(
    up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1, compressed_channels=64
)
# Where these have another value, somebody chose it, and it must not be dropped in silence.
_STOCK_VALUES = dict(scale_factor=2, **_CARAFES)


class DynamicPart:
    """Base that stands before a framework's neck or head and makes it take ``upsample_cfg``.

    Every part of ours is one::

        @MODELS.register_module()
        class DyFPN(DynamicPart, FPN): ...

    A subclass builds its upsamplers in :meth:`add_upsamplers`, and overrides the step of the parent
    that interpolates: it calls ``upsampler.meet(x, fine)`` and merges what that returns. The
    ``fine`` that it returns takes the level's place from there on, for whatever comes later.

    Args:
        *args: Those of the parent.
        upsample_cfg: The upsampler; see :func:`mmdyup.build_upsampler`. What it inherited from a
            stock config gives way, as :func:`effective_upsample_cfg` says.
        **kwargs: Those of the parent.

    Raises:
        TypeError: ``upsample_cfg`` is not a dict.
        ValueError: ``upsample_cfg`` names no upsampler, or holds what that does not take.
    """

    #: What keeps the parent from building upsamplers of its own.
    parent_options: ClassVar[dict] = {}

    def __init__(self, *args, upsample_cfg: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **self.parent_options, **kwargs)
        default = self.default_upsample_cfg()
        if not upsample_cfg and default is None:
            self.upsample_cfg = None
            return
        self.upsample_cfg = effective_upsample_cfg(upsample_cfg, default)
        self.add_upsamplers()

    def default_upsample_cfg(self) -> dict | None:
        """The parent's own interpolation, which is taken where there is no ``upsample_cfg``.

        None leaves the parent as it is: then nothing is built.
        """
        return dict(type='nearest')

    def add_upsamplers(self) -> None:
        """Builds the modules that ``self.upsample_cfg`` asks for."""
        raise NotImplementedError

    @classmethod
    def adopt(cls, module: nn.Module, upsample_cfg: dict) -> None:
        """Makes of an object of the parent's class, which another part has built, one of this."""
        module.__class__ = cls
        module.upsample_cfg = upsample_cfg
        module.add_upsamplers()


def effective_upsample_cfg(cfg: dict | None, default: dict | None) -> dict:
    """The config of a part's upsampler, without what it inherited from a stock config.

    mmengine merges ``upsample_cfg=dict(type='DySample')`` into the parent's, so that arguments of
    ``F.interpolate`` (``mode``, ``align_corners``, ``scale_factor=2``) stay in it, or those of
    ``FPN_CARAFE`` at their stock values. They are dropped where the upsampler does not take them.
    All of ``FPN_CARAFE``'s go together, as some of them alone would change an upsampler unasked;
    one warning says so where its own values are others. Without a ``type``, arguments of
    ``F.interpolate`` mean interpolation, in their own ``mode``.

    Args:
        cfg: The ``upsample_cfg`` of a config, or None.
        default: Taken where ``cfg`` is None or empty; its ``type`` where ``cfg`` has no ``mode``.
            None where the parent has several interpolations.

    Returns:
        What :func:`mmdyup.build_upsampler` takes.

    Raises:
        TypeError: ``cfg`` is not a dict.
        ValueError: ``cfg`` names no upsampler, or holds anything else that this does not take.
    """
    cfg = cfg or default
    if isinstance(cfg, dict) and 'type' not in cfg and set(cfg) <= set(_INTERPOLATION):
        default = default or {}
        mode = cfg.get('mode', default.get('type'))
        cfg = {**(default if mode == default.get('type') else {}), **cfg, 'type': mode}
    cls, _ = find_upsampler(cfg)
    known = getattr(cfg['type'], '__name__', cfg['type'])
    accepted = accepted_arguments(cls)
    inherited = _inherited_from_carafe(cfg, accepted)
    changing = [name for name in inherited & accepted if _default(cls, name) != _CARAFES[name]]
    if changing:
        warn_once(
            f"{known} leaves out FPN_CARAFE's {', '.join(sorted(changing))}, which its "
            'upsample_cfg inherits, and keeps its own; to set them, add _delete_=True to '
            'upsample_cfg.'
        )
    effective = {}
    for name, value in cfg.items():
        if name in inherited:
            continue
        if name == 'type' or name in accepted:
            effective[name] = value
        elif not _gives_way(name, value):
            raise ValueError(
                f'upsample_cfg holds {name}={value!r}, which {known} does not take (it takes '
                f'{", ".join(sorted(accepted)) or "nothing"}): leave it out, or where it comes '
                'from an inherited config, add _delete_=True to upsample_cfg.'
            )
    return effective


def _inherited_from_carafe(cfg: dict, accepted: set[str]) -> set[str]:
    """What a config has of ``FPN_CARAFE``, for an upsampler that is not of its kind."""
    whole = all(name in cfg and cfg[name] == value for name, value in _CARAFES.items())
    return set(_CARAFES) if whole and not accepted.issuperset(_CARAFES) else set()


def _default(cls: type[nn.Module], name: str) -> object:
    for base in cls.__mro__:
        parameter = inspect.signature(base.__init__).parameters.get(name)
        if parameter is not None:
            return parameter.default


def _gives_way(name: str, value: object) -> bool:
    if name in _STOCK_VALUES:
        return value == _STOCK_VALUES[name]
    # mmengine leaves a `_delete_` in place where there was nothing to delete
    return name in (*_INTERPOLATION, '_delete_')
