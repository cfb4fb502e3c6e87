"""Configs that may be compared, and those that may not."""

from pathlib import Path

import pytest
from mmengine.config import Config

from comparing.metrics import find_metric, primary_metric
from comparing.variants import gather, named
from recipes.checks import our_parts

ROOT = Path(__file__).resolve().parents[3]


def load(*names):
    return {name: Config.fromfile(ROOT / f'configs/{name}.py') for name in names}


def kinds(variant):
    return [part['upsample_cfg']['type'] for part in our_parts(variant.cfg)]


def test_controls_come_first_and_once():
    configs = load('faster_rcnn_dysample', 'faster_rcnn_nearest', 'faster_rcnn_dysample_plus')
    variants = gather(configs, [], controls=True)
    assert [variant.name for variant in variants] == [
        'nearest',
        'bilinear',
        'dysample',
        'dysample_plus',
    ]
    assert [kinds(variant) for variant in variants] == [
        ['nearest'],
        ['bilinear'],
        ['DySample'],
        ['DySample'],
    ]
    assert [variant.name for variant in gather(configs, [], controls=False)] == [
        'dysample',
        'nearest',
        'dysample_plus',
    ]


def test_one_config_with_several_upsamplers():
    variants = gather(load('semantic_fpn_r50_dysample'), ['fade_no_gate'], controls=True)
    assert [variant.name for variant in variants] == ['nearest', 'bilinear', 'fade_no_gate']
    # in the neck and in the head
    assert [kinds(variant) for variant in variants][2] == ['FADE', 'FADE']
    part = our_parts(variants[2].cfg)[0]
    assert part['upsample_cfg'] == dict(type='FADE', gate=False)


def test_a_parent_is_a_part_with_its_own_interpolation():
    """segformer_b1_bilinear has mmseg's SegformerHead, the other DySegformerHead."""
    configs = load('segformer_b1_bilinear', 'segformer_b1_dysample')
    names = [variant.name for variant in gather(configs, [], controls=False)]
    assert names == ['segformer_b1_bilinear', 'dysample']


@pytest.mark.parametrize(
    'names, upsamplers, words',
    [
        (['faster_rcnn_nearest', 'mask_rcnn_dysample'], [], 'differ in more than their upsampler'),
        (
            ['faster_rcnn_nearest', 'faster_rcnn_r101_dysample_plus'],
            [],
            'model.backbone.depth is 50',
        ),
        (['segformer_b1_bilinear'], [], 'no part of the model takes upsample_cfg'),
        (['faster_rcnn_nearest'], ['disample'], 'did you mean dysample'),
        (['faster_rcnn_nearest', 'faster_rcnn_dlu'], ['fade'], '--upsamplers takes one config'),
    ],
)
def test_what_cannot_be_compared(names, upsamplers, words):
    with pytest.raises(ValueError, match=words) as error:
        gather(load(*names), upsamplers, controls=True)
    assert '\n' not in str(error.value)


def test_one_variant_is_no_comparison():
    with pytest.raises(ValueError, match='--only leaves one'):
        gather(load('faster_rcnn_dlu'), [], controls=False)


def test_names_are_published_ones_or_plain():
    assert named('dysample_s_plus') == dict(type='DySample', style='pl', groups=8, dyscope=True)
    assert named('bilinear') == dict(type='bilinear')


@pytest.mark.parametrize(
    'config, key, scale',
    [
        ('faster_rcnn_dlu', 'coco/bbox_mAP', 100),
        ('mask_rcnn_dlu', 'coco/segm_mAP', 100),
        ('panoptic_fpn_carafe', 'coco_panoptic/PQ', 1),
        ('segformer_b1_dlu', 'mIoU', 1),
        ('depthformer_swin_t_dlu', 'abs_rel', 1),
    ],
)
def test_the_main_score_of_a_config(config, key, scale):
    metric = primary_metric(load(config)[config])
    assert (metric.key, metric.scale) == (key, scale)
    assert metric.falls == (key == 'abs_rel')
    assert find_metric('coco/bbox_mAP_50').scale == 100
    with pytest.raises(ValueError, match='name one of other with --metric'):
        metric.points(dict(other=1.0))
