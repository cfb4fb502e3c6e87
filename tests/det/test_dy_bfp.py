import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmdet')
from mmdet.models.necks import BFP  # noqa: E402

from mmdyup.det import DyBFP  # noqa: E402

# parameters of one upsampler of 256 channels, by its ratio
CARAFE = {2: 74_148, 4: 247_248, 8: 939_648, 16: 3_709_248}
DLU = {2: 35_489, 4: 49_337, 8: 104_729, 16: 326_297}


@pytest.mark.parametrize('refine_level', range(5))
@pytest.mark.parametrize(
    ('size', 'rounding'),
    [
        ((64, 96), 'up'),
        ((50, 38), 'up'),
        ((37, 61), 'up'),
        ((99, 1), 'up'),
        ((17, 23), 'up'),
        ((45, 59), 'down'),
        ((31, 63), 'down'),
    ],
)
def test_nearest_is_bfp(refine_level, size, rounding, pyramid, assert_same_outputs):
    args = dict(in_channels=4, num_levels=5, refine_level=refine_level)
    assert_same_outputs(DyBFP(**args), BFP(**args), pyramid([4] * 5, size, rounding))


@pytest.mark.parametrize(
    'options',
    [
        dict(refine_type='non_local'),
        dict(refine_type='conv'),
        dict(refine_type='conv', norm_cfg=dict(type='BN')),
    ],
)
@pytest.mark.parametrize('num_levels', [1, 3, 5])
def test_the_refining_is_the_parents(options, num_levels, pyramid, assert_same_outputs):
    args = dict(in_channels=4, num_levels=num_levels, refine_level=num_levels // 2, **options)
    assert_same_outputs(DyBFP(**args), BFP(**args), pyramid([4] * num_levels, (37, 61)))


@pytest.mark.parametrize(
    ('refine_level', 'gather', 'scatter'),
    [(0, [2, 4, 8, 16], []), (2, [2, 4], [4, 2]), (4, [], [16, 8, 4, 2])],
)
@pytest.mark.parametrize(('name', 'counts'), [('CARAFE', CARAFE), ('DLU', DLU)])
def test_every_step_has_an_upsampler_of_its_ratio(refine_level, gather, scatter, name, counts):
    with torch.device('meta'):
        model = DyBFP(256, 5, refine_level, upsample_cfg=dict(type=name))
    assert [m.scale_factor for m in model.gather_upsamplers] == gather
    assert [m.scale_factor for m in model.scatter_upsamplers] == scatter
    assert sum(p.numel() for p in model.parameters()) == sum(counts[s] for s in gather + scatter)


def test_bilinear_by_hand(pyramid):
    def up(x, scale):
        return F.interpolate(x, scale_factor=scale, mode='bilinear', align_corners=False)

    p2, p3, p4, p5 = pyramid([4] * 4, (32, 48))
    mean = (F.max_pool2d(p2, 2) + p3 + up(p4, 2) + up(p5, 4)) / 4
    expected = (p2 + up(mean, 2), p3 + mean, p4 + F.max_pool2d(mean, 2), p5 + F.max_pool2d(mean, 4))
    outs = DyBFP(4, 4, refine_level=1, upsample_cfg=dict(type='bilinear'))((p2, p3, p4, p5))
    for a, b in zip(outs, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('size', [(32, 48), (37, 61), (33, 1)])
def test_the_guide_is_the_finer_level(size, guide_teller, pyramid):
    p2, p3, p4, p5 = features = pyramid([4] * 4, size)
    outs = DyBFP(4, 4, refine_level=1, upsample_cfg=dict(type=guide_teller))(features)
    mean = (F.adaptive_max_pool2d(p2, p3.shape[-2:]) + 3 * p3) / 4
    torch.testing.assert_close(outs[0], 2 * p2)
    torch.testing.assert_close(outs[1], p3 + mean)


@pytest.mark.parametrize('refine_level', [-1, 4])
def test_a_refine_level_that_is_none(refine_level):
    with pytest.raises(ValueError, match=rf'must be 0..3, .*, but it is {refine_level}'):
        DyBFP(4, 4, refine_level=refine_level)
