"""What the READMEs show is true: their Python runs, their links lead somewhere."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdyup import blocks, build_upsampler, list_upsamplers

ROOT = Path(__file__).parents[1]
READMES = ['README.md', 'README_zh-CN.md']


def text(readme):
    return (ROOT / readme).read_text(encoding='utf-8')


def python_blocks(readme):
    return re.findall(r'```python\n(.*?)```', text(readme), re.DOTALL)


@pytest.mark.parametrize('readme', READMES)
def test_the_config_builds(readme, tmp_path):
    models = pytest.importorskip('mmdet.registry').MODELS
    file = tmp_path / 'config.py'
    file.write_text(python_blocks(readme)[0], encoding='utf-8')
    init_default_scope('mmdet')
    neck = models.build(Config.fromfile(file).model).neck
    assert type(neck).__name__ == 'DyFPN'
    assert neck.upsample_modules[0].scope is not None


@pytest.mark.parametrize('readme', READMES)
def test_the_module_runs(readme):
    names = {}
    exec(python_blocks(readme)[1], names)
    assert names['y'].shape == (1, 64, 40, 60)


@pytest.mark.parametrize('readme', READMES)
def test_the_call_for_any_model_runs(readme, capsys):
    (code,) = (block for block in python_blocks(readme) if 'swap_upsamples' in block)
    exec(code, {})
    assert 'exchanged: classifier, 128 channels, 2x' in capsys.readouterr().out


@pytest.mark.parametrize('readme', READMES)
def test_links_to_files_lead_somewhere(readme):
    links = re.findall(r'\]\((?!https?:|#)([^)#]+)\)', text(readme))
    assert links and all((ROOT / link).exists() for link in links)


@pytest.mark.parametrize('readme', READMES)
def test_every_config_is_listed(readme):
    assert all(f'(configs/{path.name})' in text(readme) for path in (ROOT / 'configs').glob('*.py'))


@pytest.mark.parametrize('readme', READMES)
def test_parameters_of_the_upsamplers(readme):
    rows = re.findall(r'^\| `(type=[^`|]*)` \|.*\| ([\d,]+) \|$', text(readme), re.MULTILINE)
    counts = [(eval(f'dict({arguments})'), count) for arguments, count in rows]
    cfgs = [cfg for cfg, _ in counts]
    for name, cfg in list_upsamplers().items():
        assert cfg in cfgs or f'(`{name}`)' in text(readme) or f'（`{name}`）' in text(readme), name
    for cfg, count in counts:
        parameters = build_upsampler(cfg, 256).parameters()
        assert sum(p.numel() for p in parameters) == int(count.replace(',', '')), cfg


@pytest.mark.parametrize('readme', READMES)
def test_parameters_of_the_blocks(readme):
    rows = re.findall(r'^\| `(\w+)` \| .* \| ([\d,]+) \|$', text(readme), re.MULTILINE)
    assert {name for name, _ in rows} == {*blocks.__all__}
    for name, count in rows:
        cls = getattr(blocks, name)
        block = cls(64, 64) if cls in blocks.DOWNSAMPLING else cls(64)
        assert sum(p.numel() for p in block.parameters()) == int(count.replace(',', '')), name


def test_contributing_shows_the_example_that_is_tested():
    example = (ROOT / 'tests/upsamplers/example.py').read_text(encoding='utf-8')
    assert f'```python\n{example}```' in text('CONTRIBUTING.md')
