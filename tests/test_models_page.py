"""docs/models.md: its lines build, and every family of both zoos is on it."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import MODELS, DefaultScope

import mmdyup
from models.rewrite import FOLDERS, from_scratch, stock_configs

PAGE = (Path(__file__).parents[1] / 'docs/models.md').read_text(encoding='utf-8')
PARTS = {name for folder in FOLDERS.values() for name in vars(mmdyup)[folder].__all__}
IMPORTS = "custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)"


def section(framework):
    title = dict(mmdet='MMDetection', mmseg='MMSegmentation')[framework]
    return PAGE.split(f'## {title}\n')[1].split('\n## ')[0]


def rows():
    """The framework, stock config and change of each row of the tables."""
    for framework in FOLDERS:
        for row in section(framework).splitlines():
            if '.py` |' in row:
                *_, stock, change = re.findall(r'`([^`]+)`', row)
                yield pytest.param(framework, stock, change, id=stock.partition('/')[0])


def changed_nodes(node):
    """What of a model's config takes an upsampler."""
    if isinstance(node, dict) and str(node.get('type')).rpartition('.')[2] in PARTS:
        yield node
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, (dict, list, tuple)):
            yield from changed_nodes(child)


def build(framework, node):
    kept = {k: v for k, v in from_scratch(node).items() if k not in ('train_cfg', 'test_cfg')}
    with DefaultScope.overwrite_default_scope(framework), torch.device('meta'):
        return MODELS.build(kept)


@pytest.mark.slow
@pytest.mark.parametrize(('framework', 'stock', 'change'), rows())
def test_the_lines_of_a_row(framework, stock, change, tmp_path):
    file = tmp_path / 'config.py'
    file.write_text(f"_base_ = '{framework}::{stock}'\n{IMPORTS}\nmodel = dict({change})")
    nodes = list(changed_nodes(Config.fromfile(file).model))
    assert len(nodes) == change.count('upsample_cfg')
    for node in nodes:
        part = build(framework, node)
        found = [m for m in part.modules() if isinstance(m, mmdyup.Upsampler)]
        wanted = re.search(r"upsample_cfg=dict\(type='(\w+)'", change).group(1)
        assert found and {type(m).__name__ for m in found} == {wanted}


@pytest.mark.parametrize('framework', FOLDERS)
def test_every_family_is_on_the_page(framework):
    families = {family for family, _ in stock_configs(framework) if family != 'common'}
    named = set(re.findall(r'[\w+.]+', section(framework))) | set(
        re.findall(rf'\| {framework}: (\w+)', PAGE)
    )
    assert families <= named


@pytest.mark.slow
def test_an_entry_of_a_list():
    mmdet = pytest.importorskip('mmdet')
    options = re.search(r'--cfg-options (.*)', PAGE).group(1).split()
    values = {k: DictAction._parse_iterable(v) for k, v in (x.split('=') for x in options)}
    cfg = Config.fromfile(Path(mmdet.__file__).parent / '.mim/configs/htc/htc_r50_fpn_1x_coco.py')
    cfg.merge_from_dict(values)
    head = build('mmdet', cfg.model.roi_head.mask_head[0])
    assert type(head.upsample) is mmdyup.DySample


def test_the_call_for_any_other_model(capsys):
    _, code = re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.strip() in PAGE
