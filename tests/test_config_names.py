"""A config is named after its model and its upsampler; so is a row of the papers' tables."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmdyup import list_upsamplers
from papers.published import NAMES, load_table
from recipes.config import walk

CONFIGS = {path.stem: path for path in (Path(__file__).parents[1] / 'configs').glob('*.py')}
SEGMENTATION = ('segformer', 'semantic_fpn', 'upernet', 'maskformer', 'depthformer')
UPSAMPLERS = {
    **{name: dict(type=name) for name in ('nearest', 'bilinear', 'deconv', 'pixel_shuffle')},
    **list_upsamplers(),
}


def upsampler_of(name):
    (found,) = [cfg for ending, cfg in UPSAMPLERS.items() if name.endswith(f'_{ending}')]
    return found


@pytest.mark.parametrize('name', sorted(CONFIGS))
def test_every_part_has_the_upsampler_of_the_name(name):
    pytest.importorskip('mmseg' if name.startswith(SEGMENTATION) else 'mmdet')
    model = Config.fromfile(CONFIGS[name]).model
    found = [node['upsample_cfg'] for node in walk(model) if 'upsample_cfg' in node]
    if name.startswith(SEGMENTATION) and name.endswith('_bilinear'):
        # mmseg's own heads are bilinear without saying so; its FPN takes the nearest value
        assert all(cfg['type'] in ('bilinear', 'nearest') for cfg in found)
    else:
        for cfg in found:
            # the start of a published row may be another one than the paper's
            cfg.pop('init_cfg', None)
            # as the authors of FreqFusion have it in Panoptic FPN
            if name.startswith('panoptic_fpn'):
                cfg.pop('norm_features', None)
        assert found and all(cfg == upsampler_of(name) for cfg in found)


@pytest.mark.parametrize('name', sorted(CONFIGS))
def test_files_are_short(name):
    assert len(CONFIGS[name].read_text().splitlines()) < 10


@pytest.mark.parametrize('table', list(map(load_table, NAMES)), ids=NAMES)
def test_every_row_of_a_table_names_an_upsampler_and_its_config(table):
    for row in table.rows:
        if row.operator:
            assert row.operator['type'] in {cfg['type'] for cfg in UPSAMPLERS.values()}
        else:
            assert upsampler_of(row.name)
            assert row.name in CONFIGS or not row.config


@pytest.mark.parametrize('table', list(map(load_table, NAMES)), ids=NAMES)
def test_what_no_publication_has_is_called_ours(table):
    baselines = {row.baseline for row in table.rows}
    for row in table.rows:
        known = row.params or row.flops or row.scores or row.name in baselines
        assert row.label.endswith(', ours') == (not known), row.name
