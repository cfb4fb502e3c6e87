import pytest

from mmdyup import DySample, build_upsampler, list_upsamplers
from mmdyup.upsamplers import Upsampler, accepted_arguments, find_upsampler

CHANNELS = 32


@pytest.mark.parametrize(
    'cfg, kind, match',
    [
        ('DySample', TypeError, r"must be a dict such as dict\(type='DySample'\)"),
        (
            dict(),
            ValueError,
            r"needs a 'type', one of (\w+, )*DySample, (\w+, )*nearest",
        ),
        (dict(type='dysample'), ValueError, "no upsampler 'dysample'.*DySample"),
        (dict(type='ReLU'), ValueError, "no upsampler 'ReLU'"),
        (
            dict(type=None),
            ValueError,
            r'no upsampler None; upsample_cfg.type must be one of (\w+, )*DySample, ',
        ),
        (dict(type=['DySample']), ValueError, r'no upsampler .*must be one of (\w+, )*DySample, '),
        (dict(type=int), ValueError, r'no upsampler .*must be one of (\w+, )*DySample, '),
        (dict(type='DySample', colour=1), ValueError, "does not fit its type.*'colour'"),
        (
            dict(type='DySample', in_channels=8),
            ValueError,
            'in_channels comes from where the upsampler is built; leave it out',
        ),
        (dict(type='nearest', colour=1), ValueError, "does not fit its type.*'colour'"),
        (dict(type='nearest', mode='nearest'), ValueError, "Nearest takes no argument 'mode'"),
        (dict(type='nearest', align_corners=True), ValueError, 'leave it out, or take'),
        (dict(type='DySample', groups=5), ValueError, 'groups=5 must divide the 32 channels'),
        (dict(type='DySample', groups='4'), TypeError, "^groups must be an integer, but it is '4'"),
        (dict(type='DySample', style='lq'), ValueError, "style must be 'lp' or 'pl'"),
        (dict(type='DySample', dyscope=True, learnable_scope=True), ValueError, 'choose one'),
        (dict(type='CARAFE', up_kernel=4), ValueError, 'up_kernel must be odd'),
        (dict(type='DLU', encoder_kernel=2), ValueError, 'encoder_kernel must be odd'),
        (dict(type='DLU', up_group=3), ValueError, 'up_group=3 must divide'),
        (dict(type='FADE', guide_channels=64), ValueError, 'guide of 64 .* of 32 .*set gate=False'),
        (
            dict(type='FADE', compressed_channels=0),
            ValueError,
            'compressed_channels must be at least',
        ),
        (dict(type='FADE', up_group=2), ValueError, "does not fit its type.*'up_group'"),
        (
            dict(type='SAPA', guide_channels=40),
            ValueError,
            'guide_channels must be a multiple of 32',
        ),
        (dict(type='SAPA', up_kernel=4), ValueError, 'up_kernel must be odd'),
    ],
)
def test_errors_say_what_to_do(cfg, kind, match):
    with pytest.raises(kind, match=match):
        build_upsampler(cfg, CHANNELS)


def test_ratio_must_be_a_positive_integer():
    with pytest.raises(ValueError, match='scale_factor must be at least 1'):
        build_upsampler(dict(type='DySample'), CHANNELS, 0)
    with pytest.raises(TypeError, match='scale_factor must be an integer'):
        build_upsampler(dict(type='DySample'), CHANNELS, 1.5)


# SAPA-I compares the levels themselves
OTHER_CHANNELS = {name: cfg for name, cfg in list_upsamplers().items() if name != 'sapa_i'}


@pytest.mark.parametrize('cfg', OTHER_CHANNELS.values(), ids=OTHER_CHANNELS)
def test_the_finer_level_may_have_other_channels(cfg):
    cls, own = find_upsampler(cfg)
    if cfg['type'] == 'FADE':
        cfg = dict(cfg, gate=False)
    upsampler = build_upsampler(cfg, CHANNELS, guide_channels=64)
    assert upsampler.in_channels == CHANNELS
    if cls.guided:
        assert upsampler.guide_channels == 64
        assert build_upsampler(cfg, CHANNELS).guide_channels == CHANNELS


def test_a_class_stands_for_its_name():
    assert type(build_upsampler(dict(type=DySample, groups=2), CHANNELS)) is DySample


class Wrapped(DySample):
    """Hands on what it does not know."""

    def __init__(self, *args, strength=1, **kwargs):
        super().__init__(*args, **kwargs)


class Raises(Upsampler):
    def __init__(self, in_channels, scale_factor=2):
        super().__init__(in_channels, scale_factor)
        len(5)


def test_arguments_are_those_of_the_constructors():
    assert accepted_arguments(DySample) == {
        *('style', 'groups', 'dyscope', 'learnable_scope', 'content_encoder', 'gate'),
        *('scope_bias', 'backend', 'init_cfg'),
    }
    assert accepted_arguments(Wrapped) == accepted_arguments(DySample) | {'strength'}
    assert accepted_arguments(Raises) == set()
    assert accepted_arguments(find_upsampler(dict(type='bilinear'))[0]) == {'align_corners'}


def test_a_constructors_own_errors_are_left_alone():
    with pytest.raises(TypeError, match=r"^object of type 'int' has no len\(\)$"):
        build_upsampler(dict(type=Raises), CHANNELS)
    Wrapped(CHANNELS, groups=2, strength=3)
    with pytest.raises(TypeError, match="Wrapped takes no argument 'colour'; it takes.* strength"):
        Wrapped(CHANNELS, colour=3)
