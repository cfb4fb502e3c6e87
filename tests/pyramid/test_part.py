import warnings

import pytest
from torch import nn

from mmdyup import Upsampler, build_upsampler, list_upsamplers
from mmdyup.ops import backends
from mmdyup.pyramid import DynamicPart, effective_upsample_cfg

NEAREST = dict(type='nearest')
BILINEAR = dict(type='bilinear', align_corners=True)
CARAFE = dict(up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1, compressed_channels=64)
DYSAMPLE = dict(type='DySample')


@pytest.mark.parametrize(
    ('cfg', 'default', 'effective'),
    [
        (None, NEAREST, NEAREST),
        ({}, BILINEAR, BILINEAR),
        (dict(DYSAMPLE, dyscope=True), NEAREST, dict(DYSAMPLE, dyscope=True)),
        # without a type: what F.interpolate and nn.Upsample would do with it
        (dict(mode='nearest'), NEAREST, NEAREST),
        (dict(mode='bilinear'), NEAREST, dict(type='bilinear')),
        (dict(mode='bilinear', align_corners=True), NEAREST, BILINEAR),
        (dict(scale_factor=2, mode='nearest'), BILINEAR, NEAREST),
        (dict(scale_factor=2), NEAREST, NEAREST),
        (dict(align_corners=False), BILINEAR, dict(BILINEAR, align_corners=False)),
        # YOLOX's, YOLACT's, CrowdDet's and FPN_CARAFE's, under an upsampler of ours
        (dict(DYSAMPLE, scale_factor=2, mode='nearest'), NEAREST, DYSAMPLE),
        (dict(DYSAMPLE, mode='bilinear', align_corners=False), NEAREST, DYSAMPLE),
        (dict(CARAFE, **DYSAMPLE), NEAREST, DYSAMPLE),
        (dict(CARAFE, type='CARAFE'), NEAREST, dict(CARAFE, type='CARAFE')),
        # somebody's own beside them
        (
            dict(CARAFE, type='FADE', up_kernel=3),
            NEAREST,
            dict(type='FADE', up_kernel=3, compressed_channels=64),
        ),
        (dict(BILINEAR, mode='nearest'), NEAREST, BILINEAR),
        (dict(DYSAMPLE, _delete_=True), NEAREST, DYSAMPLE),
    ],
    ids=str,
)
def test_what_is_inherited_gives_way(cfg, default, effective):
    before = dict(cfg or {})
    assert effective_upsample_cfg(cfg, default) == effective
    assert dict(cfg or {}) == before


@pytest.mark.parametrize('cfg', list_upsamplers().values(), ids=str)
def test_what_carafe_had_changes_no_other(cfg, monkeypatch):
    monkeypatch.setattr(backends, '_WARNED', set())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        effective = effective_upsample_cfg(CARAFE | cfg, NEAREST)

    def sizes(cfg):
        state = build_upsampler(cfg, 64).state_dict()
        return {name: value.shape for name, value in state.items()}

    assert sizes(effective) == sizes(cfg)
    # its own kernel is of 3×3, or its channels are fewer
    changing = cfg['type'] in ('FRFU', 'LDAAQU', 'A2U', 'FreqFusion')
    assert [cfg['type'] in str(w.message) for w in caught] == [True] * changing
    assert all('_delete_=True' in str(w.message) for w in caught)


@pytest.mark.parametrize(
    ('cfg', 'named'),
    [
        (dict(DYSAMPLE, colour=1), 'colour=1'),
        # somebody's own choice, not what stock configs hold
        (dict(DYSAMPLE, scale_factor=4), 'scale_factor=4'),
        (dict(DYSAMPLE, up_kernel=3), 'up_kernel=3'),
        (dict(type='FADE', up_group=2), 'up_group=2'),
    ],
    ids=str,
)
def test_anything_else_is_told_with_the_way_out(cfg, named):
    with pytest.raises(
        ValueError, match=rf'holds {named}, which {cfg["type"]} does not take \(.*_delete_=True'
    ):
        effective_upsample_cfg(cfg, NEAREST)


def test_a_class_is_named_too():
    class Own(Upsampler):
        def __init__(self, in_channels, scale_factor=2, kernel_size=3):
            super().__init__(in_channels, scale_factor)

    cfg = dict(type=Own, kernel_size=5)
    assert effective_upsample_cfg(dict(cfg, mode='nearest'), NEAREST) == cfg
    with pytest.raises(ValueError, match='which Own does not take .it takes .*kernel_size'):
        effective_upsample_cfg(dict(cfg, colour=1), NEAREST)


@pytest.mark.parametrize(
    ('cfg', 'kind', 'match'),
    [
        ('DySample', TypeError, r"must be a dict such as dict\(type='DySample'\)"),
        (dict(groups=2), ValueError, "needs a 'type'"),
        (dict(mode='bicubic'), ValueError, "no upsampler 'bicubic'"),
    ],
    ids=str,
)
def test_what_names_no_upsampler(cfg, kind, match):
    with pytest.raises(kind, match=match):
        effective_upsample_cfg(cfg, NEAREST)


class Parent(nn.Module):
    def __init__(self, channels, upsample_cfg='own'):
        super().__init__()
        self.channels = channels
        self.built_with = self.upsample_cfg = upsample_cfg


class Part(DynamicPart, Parent):
    parent_options = dict(upsample_cfg='none')

    def add_upsamplers(self):
        self.seen = dict(self.upsample_cfg, channels=self.channels)


def test_a_part_hands_on_what_is_the_parents():
    part = Part(8, upsample_cfg=dict(DYSAMPLE, mode='nearest'))
    assert part.upsample_cfg == DYSAMPLE and part.seen == dict(DYSAMPLE, channels=8)
    assert part.built_with == 'none'
    assert Part(channels=8).upsample_cfg == NEAREST
