"""Which stock configs take an upsampler: the count, and one training step."""

import pytest
from mmengine.config import ConfigDict

import count_models
from models.count import build_parts, read, summary, table
from models.rewrite import FOLDERS, counterparts, rewrite, unserved

pytestmark = pytest.mark.skipif('mmseg' not in FOLDERS, reason='there is no mmseg')
DYSAMPLE = dict(type='DySample')


def test_every_part_has_a_parent_of_its_framework():
    for framework in FOLDERS:
        for name, part in counterparts(framework).items():
            assert any(c.__name__ == name for c in part.__mro__[1:])
    assert counterparts('mmseg')['UNet'].__name__ == 'DyUNet'


def test_what_a_model_becomes():
    model = ConfigDict(
        backbone=dict(type='HRNet'),
        decode_head=[
            dict(type='FCNHead'),
            dict(type='DepthwiseSeparableASPPHead', c1_in_channels=0),
            dict(pixel_decoder=dict(type='mmdet.MSDeformAttnPixelDecoder')),
            dict(type='UPerHead', upsample_cfg=dict(mode='bilinear')),
        ],
    )
    nodes = rewrite(model, 'mmseg', DYSAMPLE)
    assert [(scope, node.type) for scope, node in nodes] == [
        ('mmseg', 'mmseg.DyHRNet'),
        *[('mmdet', 'mmdet.DyMSDeformAttnPixelDecoder')] * ('mmdet' in FOLDERS),
        ('mmseg', 'mmseg.DyUPerHead'),
    ]
    assert nodes[0][1].upsample_cfg == dict(type='DySample', groups=2)
    assert nodes[-1][1].upsample_cfg == dict(type='DySample', mode='bilinear')
    assert model.decode_head[0] == dict(type='FCNHead')


def test_what_has_nothing_to_upsample():
    flat = dict(backbone=dict(type='VisionTransformer'), decode_head=dict(type='UPerHead'))
    assert rewrite(ConfigDict(flat), 'mmseg', DYSAMPLE) == []
    assert len(rewrite(ConfigDict(flat, neck=dict(type='MultiLevelNeck')), 'mmseg', DYSAMPLE)) == 2
    assert unserved(dict(head=[dict(type='PSAHead')]), 'mmseg') == {'PSAHead'}


def test_the_table_and_what_is_missing():
    stocks = list(read('mmseg', DYSAMPLE, ['fastscnn', 'psanet', 'erfnet', 'cgnet']))
    build_parts(stocks)
    rows = table(stocks).splitlines()[2:]
    assert rows == [
        '| cgnet | 2 | 0 | 0 |  |',
        '| erfnet | 1 | 1 | 1 | DyERFNet |',
        '| fastscnn | 1 | 1 | 1 | DyFastSCNN |',
        '| psanet | 16 | 16 | 0 |  |',
    ]
    assert summary('mmseg', stocks).splitlines() == [
        'mmseg: 20 configs of 4 families; 18 upsample between backbone and prediction, 2 of them '
        'are reached (11.1%).',
        '  not reached: psanet, 16 (PSAHead)',
    ]


def test_a_part_that_cannot_be_built_is_told():
    stocks = list(read('mmseg', dict(type='FADE'), ['erfnet']))
    build_parts(stocks)
    assert not stocks[0].reached and 'FADE needs the finer feature' in summary('mmseg', stocks)


@pytest.mark.slow
def test_a_step_of_one_kind(capsys):
    count_models.main(['--framework', 'mmseg', '--family', 'fastscnn', '--step'])
    *_, step, last = capsys.readouterr().out.splitlines()
    assert step == 'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024 (DyFastSCNN): learns'
    assert last == 'mmseg: 1 of 1 kinds took a step and learned.'


def test_an_upsampler_that_there_is_not():
    with pytest.raises(SystemExit, match="no upsampler 'DySampel'"):
        count_models.main(['--upsampler', 'DySampel', '--family', 'erfnet'])
