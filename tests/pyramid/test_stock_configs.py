"""mmdet's and mmseg's own configs that have an ``upsample_cfg``, under the README's three lines."""

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

import mmdyup

PARTS = {
    framework: vars(mmdyup)[ours]
    for framework, ours in dict(mmdet='det', mmseg='seg').items()
    if ours in vars(mmdyup)
}


def counterparts(framework):
    """Our parts, by the name of what each derives from."""
    ours = PARTS[framework]
    return {
        next(c for c in part.__mro__ if c.__module__.startswith(f'{framework}.')).__name__: part
        for part in (getattr(ours, name) for name in ours.__all__)
    }


def defines_one(text, parents):
    """Whether a config's own text gives an ``upsample_cfg`` to one of these."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            given = {
                keyword.arg: getattr(keyword.value, 'value', None) for keyword in node.keywords
            }
            if 'upsample_cfg' in given and given.get('type') in parents:
                return True
    return False


def stock_configs():
    """Those that define one; marked slow, those that inherit it."""
    params = []
    for framework in PARTS:
        root = Path(importlib.util.find_spec(framework).origin).parent / '.mim/configs'
        texts = {path: path.read_text() for path in sorted(root.rglob('*.py'))}
        parents = counterparts(framework)
        first = [p for p in texts if 'upsample_cfg' in texts[p] and defines_one(texts[p], parents)]
        found = list(first)
        for path in found:
            name = path.relative_to(root).as_posix()
            marks = [] if path in first else [pytest.mark.slow]
            params.append(pytest.param(f'{framework}::{name}', marks=marks, id=path.stem))
            # a base is named in the text
            found += [heir for heir in texts if path.name in texts[heir] and heir not in found]
    return params


def find(node, parents, keys=()):
    """Where in a model one of these has an ``upsample_cfg``, and its config."""
    if isinstance(node, dict) and 'upsample_cfg' in node and node.get('type') in parents:
        return keys, node
    children = node.items() if isinstance(node, dict) else enumerate(node)
    holders = ((key, child) for key, child in children if isinstance(child, (dict, list)))
    return next(filter(None, (find(child, parents, (*keys, key)) for key, child in holders)), None)


def changing(node, keys, change):
    """The lines that change what lies at these keys; a list is written whole."""
    if not keys:
        return change
    key, *rest = keys
    if isinstance(node, dict):
        return {key: changing(node[key], rest, change)}
    part = dict(node[key], **change)
    part['upsample_cfg'] = dict(node[key].upsample_cfg, **change['upsample_cfg'])
    return [*node[:key], part, *node[key + 1 :]]


@pytest.mark.parametrize('stock', stock_configs())
def test_three_lines_over_a_stock_config(stock, tmp_path):
    framework = stock.partition('::')[0]
    init_default_scope(framework)
    registry, ours = (
        importlib.import_module(f'{framework}.registry').MODELS,
        counterparts(framework),
    )

    def model(change=''):
        file = tmp_path / f'config_{len(list(tmp_path.iterdir()))}.py'
        lines = "custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)"
        file.write_text(f'_base_ = {stock!r}\n{lines}\n{change}')
        return Config.fromfile(file).model

    whole = model()
    keys, parent = find(whole, ours)
    part = ours[parent.type].__name__
    # the mask of a region has no finer feature
    guided = [] if part.endswith('MaskHead') else ['SAPA']
    for upsampler in ('DySample', 'CARAFE', *guided, 'nearest', 'bilinear'):
        change = dict(type=part, upsample_cfg=dict(type=upsampler))
        neck = model(f'model = {changing(whole, keys, change)!r}')
        for key in keys:
            neck = neck[key]
        # what the parent was given is still there
        assert neck.upsample_cfg.keys() == parent.upsample_cfg.keys() | {'type'}
        with torch.device('meta'):
            built = registry.build(neck)
        assert built.upsample_cfg['type'] == upsampler
        if upsampler in mmdyup.__all__:
            assert any(isinstance(module, mmdyup.Upsampler) for module in built.modules())
    # the type alone: the parent's own interpolation, or mmcv's CARAFE
    with torch.device('meta'):
        built = registry.build(dict(parent, type=part))
    own = parent.upsample_cfg
    # a UNet's is a layer of mmseg's own, which the parent builds
    kept = built.upsample_cfg or built.parent_options['upsample_cfg']
    assert kept['type'] == own.get('type', own.get('mode'))
