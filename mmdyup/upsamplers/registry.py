"""The list of upsamplers, and mmengine where it can be imported.

With mmengine an upsampler is one of its ``BaseModule`` and stands in its registry of models.
Without it the same classes are plain modules: names, states and starts are the same, so a
checkpoint of one installation loads in the other.
"""

from torch import nn

try:
    from mmengine.model import BaseModule
    from mmengine.registry import MODELS
except Exception as error:  # a broken installation raises more than ImportError
    MODELS = None
    _REASON = f'{type(error).__name__}: {error}'

    class BaseModule(nn.Module):
        """What an upsampler takes from mmengine's class of this name."""

        def __init__(self, init_cfg: None = None) -> None:
            super().__init__()
            if init_cfg is not None:
                raise ImportError(
                    f'init_cfg needs mmengine, which cannot be imported here ({_REASON}); '
                    'run `pip install mmengine` or `pip install onedl-mmengine`, or leave '
                    'init_cfg out.'
                )
            # mmengine's attributes: a pickled module must serve where mmengine is
            self.init_cfg = None
            self._is_init = False

        def init_weights(self) -> None:
            for child in self.children():
                if hasattr(child, 'init_weights'):
                    child.init_weights()
            self._is_init = True


#: Our upsamplers by class name, in the order of their imports.
UPSAMPLERS: dict[str, type[nn.Module]] = {}


def register(cls: type[nn.Module]) -> type[nn.Module]:
    """Makes an upsampler known by its class name, to mmengine too; a decorator."""
    UPSAMPLERS[cls.__name__] = cls
    if MODELS is not None:
        MODELS.register_module(module=cls)
    return cls


def registered() -> dict[str, type]:
    """Everything that a name may mean: mmengine's models, or where it is missing, ours."""
    return UPSAMPLERS if MODELS is None else MODELS.module_dict


def find(name: str) -> type | None:
    """The class of this name; with mmengine, as its registry and scopes have it."""
    return UPSAMPLERS.get(name) if MODELS is None else MODELS.get(name)


def list_upsamplers() -> dict[str, dict]:
    """Every published upsampler by name, with its config for :func:`build_upsampler`.

    The names are the ``variants`` of all classes, such as ``'dysample_plus'`` for
    ``dict(type='DySample', dyscope=True)``.
    """
    return {
        variant: dict(type=name, **own)
        for name, cls in UPSAMPLERS.items()
        # an inherited list names what the parent publishes
        for variant, own in vars(cls).get('variants', {}).items()
    }
