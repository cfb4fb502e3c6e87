"""What is compared: configs that differ in their upsampler alone."""

import copy
import functools
from dataclasses import dataclass
from difflib import get_close_matches

from mmengine.config import Config, ConfigDict

from mmdyup import list_upsamplers
from models.rewrite import FOLDERS, counterparts
from recipes.checks import check_upsamplers, our_parts
from recipes.config import walk

#: Interpolations, which every comparison holds: without bilinear, what is smoother than nearest
#: looks like a gain of what is learned.
CONTROLS = ('nearest', 'bilinear')
#: What follows the name of a variant that is trained once more, its start disturbed.
AGAIN = ' again'


@dataclass(frozen=True)
class Variant:
    """A config and the name that it has in tables."""

    name: str
    cfg: Config


def gather(configs: dict[str, Config], upsamplers: list[str], controls: bool) -> list[Variant]:
    """The variants to compare, the controls first.

    Args:
        configs: Loaded configs by the stems of their files.
        upsamplers: Names of upsamplers that take the place of the one config's own.
        controls: Adds what is missing of ``CONTROLS``.

    Raises:
        ValueError: The configs differ in more than their upsampler, have no part that takes one,
            there are several and ``upsamplers`` too, or fewer than two variants.
    """
    if upsamplers and len(configs) > 1:
        raise ValueError('--upsamplers takes one config: leave the other configs out.')
    template = next((cfg for cfg in configs.values() if our_parts(cfg)), None)
    if template is None:
        raise ValueError(
            f'{", ".join(configs)}: no part of the model takes upsample_cfg, so there is nothing '
            'to compare; README.md lists the necks and heads that do.'
        )
    if upsamplers:
        variants = {name: with_upsampler(template, named(name)) for name in upsamplers}
    else:
        variants = {name_of(stem, cfg): cfg for stem, cfg in configs.items()}
        if len(variants) < len(configs):
            raise ValueError(
                'Two of the configs have the same upsampler: give one of each, '
                f'of {", ".join(configs)}.'
            )
        check_alike(variants)
    if controls:
        own = {name: with_upsampler(template, dict(type=name)) for name in CONTROLS}
        variants = {name: variants.get(name, cfg) for name, cfg in own.items()} | variants
    if len(variants) < 2:
        raise ValueError('--only leaves one variant: give a second config or upsampler.')
    for cfg in variants.values():
        check_upsamplers(cfg)
    return [Variant(name, cfg) for name, cfg in variants.items()]


def named(name: str) -> dict:
    """The ``upsample_cfg`` that ``name`` means; ValueError where there is none."""
    known = published()
    if name not in known:
        near = get_close_matches(name, known) or sorted(known)
        raise ValueError(f'--upsamplers: there is no {name}; did you mean {", ".join(near)}?')
    return known[name]


def published() -> dict[str, dict]:
    """Every upsampler that has a name, with its config."""
    plain = ('nearest', 'bilinear', 'deconv', 'pixel_shuffle')
    return {name: dict(type=name) for name in plain} | list_upsamplers()


def name_of(stem: str, cfg: Config) -> str:
    """The name of the one upsampler that all parts of ``cfg`` have, else its file's ``stem``."""
    parts = [dict(part.get('upsample_cfg') or {}) for part in our_parts(cfg)]
    return next((name for name, own in published().items() if parts and _all(own, parts)), stem)


def _all(own: dict, parts: list[dict]) -> bool:
    return all(part == own for part in parts)


def with_upsampler(cfg: Config, upsample_cfg: dict) -> Config:
    """A copy of ``cfg`` whose parts all have this upsampler."""
    cfg = copy.deepcopy(cfg)
    for part in our_parts(cfg):
        part['upsample_cfg'] = ConfigDict(upsample_cfg)
    return cfg


def check_alike(variants: dict[str, Config]) -> None:
    """Raises ValueError, listing the differences, where configs differ in more than upsamplers."""
    (first, reference), *others = [(name, _flat(cfg)) for name, cfg in variants.items()]
    for name, settings in others:
        keys = [
            key
            for key in sorted(reference.keys() | settings.keys())
            if reference.get(key) != settings.get(key)
        ]
        if keys:
            listed = '; '.join(
                f'{key} is {reference.get(key)!r} and {settings.get(key)!r}' for key in keys[:5]
            )
            more = f', and {len(keys) - 5} more' if len(keys) > 5 else ''
            raise ValueError(
                f'{first} and {name} differ in more than their upsampler, so that a comparison '
                f'would not tell what it is of: {listed}{more}. Give one config and --upsamplers.'
            )


def _flat(cfg: Config) -> dict[str, object]:
    """The settings of ``cfg`` by their dotted keys, without upsamplers and names of folders."""
    settings = copy.deepcopy(cfg.to_dict())
    for name in ('work_dir', 'experiment_name'):
        settings.pop(name, None)
    # top-level names that a config keeps for itself are no settings of a run
    settings.pop('upsample_cfg', None)
    for node in walk(settings.get('model')):
        if isinstance(node.get('type'), str):
            # a part of ours is its parent's, but for the upsampler
            scope, dot, kind = node['type'].rpartition('.')
            node['type'] = scope + dot + _parents().get(kind, kind)
        node.pop('upsample_cfg', None)
    return dict(_leaves(settings, ''))


@functools.cache
def _parents() -> dict[str, str]:
    """What each of our parts derives from, by its name."""
    parts = [counterparts(framework) for framework in FOLDERS]
    return {part.__name__: parent for found in parts for parent, part in found.items()}


def _leaves(node, key: str):
    if isinstance(node, dict):
        children = node.items()
    elif isinstance(node, (list, tuple)):
        children = enumerate(node)
    else:
        yield key, node
        return
    for name, child in children:
        yield from _leaves(child, f'{key}.{name}' if key else str(name))
