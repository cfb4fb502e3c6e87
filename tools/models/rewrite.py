"""Stock configs, and what the README's three lines make of them."""

import functools
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import ConfigDict

import mmdyup

#: Where the parts for each framework are.
FOLDERS = {
    framework: folder
    for framework, folder in dict(mmdet='det', mmseg='seg').items()
    if folder in vars(mmdyup)
}

#: What upsamples and has no part, by framework, and why.
UNSERVED = dict(
    mmdet=dict(
        Detectron2Wrapper="the model is Detectron2's own: swap_upsamples is for such",
    ),
    mmseg=dict(
        PSAHead='its map has two rows and columns more than half the size: no integer ratio',
        SideAdapterCLIPHead='CLIP sees the picture at half or 0.7 of its size: the ratio is that '
        'of two models, and an integer for one of them alone',
        VPDDepthHead='its backbone needs Stable Diffusion',
    ),
)

# w18 has 18 channels, which DySample's 4 groups do not divide
_OPTIONS = {('HRNet', 'DySample'): dict(groups=2)}

_SYNCHRONIZED = ('SyncBN', 'MMSyncBN')

# whose decoder follows them by itself
_HEADS_OF_DECODERS = ('MaskFormerHead',)


@functools.cache
def counterparts(framework: str) -> dict[str, type]:
    """Our parts, by the name of what each derives from."""
    ours = getattr(mmdyup, FOLDERS[framework])
    parents = {}
    for part in (getattr(ours, name) for name in ours.__all__):
        own = (c.__name__ for c in part.__mro__ if c.__module__.startswith(f'{framework}.'))
        # DepthFormer's head has no parent there
        parents[next(own, None)] = part
    parents.pop(None, None)
    return parents


def stock_configs(framework: str) -> Iterator[tuple[str, Path]]:
    """The family and the path of every stock config that is not there for others alone."""
    root = Path(importlib.util.find_spec(framework).origin).parent / '.mim/configs'
    for path in sorted(root.rglob('*.py')):
        folders = path.relative_to(root).parts[:-1]
        if '_base_' not in folders:
            yield folders[0], path


def rewrite(model, framework: str, upsample_cfg: dict) -> list[tuple[str, dict]]:
    """Gives every node of a model's config that can have a part of ours that part, in place.

    Args:
        model: The ``model`` of a config, or what lies in it.
        framework: Whose names they are where they have no scope: 'mmdet' or 'mmseg'.
        upsample_cfg: What the parts are to upsample with; merged into what is there, as mmengine
            merges a config into its base.

    Returns:
        The scope of each such node, and the node as it is by then.
    """
    nodes = []
    if isinstance(model, dict):
        if _is_flat(model):
            return nodes
        scope, name = named(model.get('type'), framework)
        part = counterparts(scope).get(name) if scope in FOLDERS else None
        if part is not None and _upsamples(model, name):
            model['type'] = f'{scope}.{part.__name__}'
            own = _OPTIONS.get((name, upsample_cfg['type']), {})
            model['upsample_cfg'] = {**(model.get('upsample_cfg') or {}), **upsample_cfg, **own}
            nodes.append((scope, model))
            if name in _HEADS_OF_DECODERS:
                return nodes
    for child in _children(model):
        nodes += rewrite(child, framework, upsample_cfg)
    return nodes


def unserved(model, framework: str) -> set[str]:
    """What upsamples in a model's config and has no part."""
    found = set().union(*(unserved(child, framework) for child in _children(model)))
    if isinstance(model, dict):
        scope, name = named(model.get('type'), framework)
        if name in UNSERVED.get(scope, {}):
            found.add(name)
    return found


def from_scratch(model):
    """A copy of a model's config, or of what lies in it, for one process and without the network.

    Pretrained weights are left out, and norms over several processes are plain ones.
    """
    if isinstance(model, dict):
        kept = {k: from_scratch(v) for k, v in model.items() if not _is_pretrained(k, v)}
        return (
            ConfigDict(kept, type='BN') if kept.get('type') in _SYNCHRONIZED else ConfigDict(kept)
        )
    return type(model)(map(from_scratch, model)) if isinstance(model, (list, tuple)) else model


def named(kind: object, framework: str) -> tuple[str, str]:
    """The scope and the name that a config's ``type`` means."""
    if inspect.isclass(kind):  # as configs that are Python modules have it
        return kind.__module__.partition('.')[0], kind.__name__
    scope, _, name = str(kind).rpartition('.')
    return scope or framework, name


def _children(model) -> list:
    values = model.values() if isinstance(model, dict) else model
    return [value for value in values if isinstance(value, (dict, list, tuple))]


def _is_flat(model: dict) -> bool:
    """Whether it is a plain transformer without a neck: all levels of its head have one size."""
    parts = (model.get(name) for name in ('backbone', 'decode_head'))
    types = [part.get('type') for part in parts if isinstance(part, dict)]
    return types == ['VisionTransformer', 'UPerHead'] and not model.get('neck')


def _upsamples(node: dict, name: str) -> bool:
    """Whether it upsamples as it is configured."""
    if name == 'DepthwiseSeparableASPPHead':
        return node.get('c1_in_channels', 0) > 0
    return 'upsample_cfg' not in node or node['upsample_cfg'].get('type', '') is not None


def _is_pretrained(key: str, value: object) -> bool:
    if key == 'init_cfg':
        return isinstance(value, dict) and value.get('type') == 'Pretrained'
    return key == 'pretrained' and isinstance(value, str)
