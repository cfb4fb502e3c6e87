import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmdet')
from mmdet.models.necks import BFP  # noqa: E402

from mmdyup.det import DyBFP  # noqa: E402
from mmdyup.testing import NeckContract  # noqa: E402

# parameters of one upsampler of 256 channels, by its ratio
COUNTS = dict(
    CARAFE={2: 74_148, 4: 247_248, 8: 939_648, 16: 3_709_248},
    DLU={2: 35_489, 4: 49_337, 8: 104_729, 16: 326_297},
)


class TestDyBFP(NeckContract):
    part, parent = DyBFP, BFP
    args = dict(in_channels=32, num_levels=4, refine_level=1, refine_type='conv')
    in_channels = [32] * 4
    upsamplers = [(32, 2), (32, 4), (32, 2)]

    @pytest.mark.parametrize('refine_level', range(4))
    @pytest.mark.parametrize(
        ('size', 'rounding'),
        [
            ((50, 38), 'up'),
            ((99, 1), 'up'),
            ((17, 23), 'up'),
            ((45, 59), 'down'),
            ((31, 63), 'down'),
        ],
        ids=str,
    )
    def test_nearest_is_the_parent_at_any_size(self, refine_level, size, rounding):
        options = dict(refine_level=refine_level, refine_type=None)
        parent = self.parent(**self.args | options)
        self.assert_same(self.build(**options), parent, self.levels(size, rounding))

    @pytest.mark.parametrize(
        'options',
        [
            dict(refine_type='non_local'),
            dict(norm_cfg=dict(type='BN'), num_levels=4, refine_level=3),
        ],
        ids=str,
    )
    def test_the_refining_is_the_parents(self, options):
        parent = self.parent(**self.args | options)
        self.assert_same(self.build(**options), parent, self.levels((37, 61)))

    def test_one_level(self):
        options = dict(num_levels=1, refine_level=0)
        parent = self.parent(**self.args | options)
        self.assert_same(self.build(**options), parent, self.levels((7, 9))[:1])

    def test_another_number_of_levels(self):
        with pytest.raises(ValueError, match='4 levels are expected, but 3 are given'):
            self.build()(self.levels((16, 16))[:3])

    @pytest.mark.parametrize('size', [(32, 48), (37, 61), (33, 1)], ids=str)
    def test_the_guide_is_the_finer_level(self, size, guide_teller):
        p2, p3, p4, p5 = levels = self.levels(size)
        outs = self.build(dict(type=guide_teller), refine_type=None)(levels)
        mean = (F.adaptive_max_pool2d(p2, p3.shape[-2:]) + 3 * p3) / 4
        torch.testing.assert_close(outs[0], 2 * p2)
        torch.testing.assert_close(outs[1], p3 + mean)

    def test_bilinear_by_hand(self):
        def up(x, scale):
            return F.interpolate(x, scale_factor=scale, mode='bilinear', align_corners=False)

        p2, p3, p4, p5 = levels = self.levels((32, 48))
        mean = (F.max_pool2d(p2, 2) + p3 + up(p4, 2) + up(p5, 4)) / 4
        expected = (
            p2 + up(mean, 2),
            p3 + mean,
            p4 + F.max_pool2d(mean, 2),
            p5 + F.max_pool2d(mean, 4),
        )
        outs = self.build(dict(type='bilinear'), refine_type=None)(levels)
        for a, b in zip(outs, expected, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ('refine_level', 'gather', 'scatter'),
    [(0, [2, 4, 8, 16], []), (2, [2, 4], [4, 2]), (4, [], [16, 8, 4, 2])],
    ids=str,
)
@pytest.mark.parametrize('name', COUNTS)
def test_every_step_has_an_upsampler_of_its_ratio(refine_level, gather, scatter, name):
    with torch.device('meta'):
        model = DyBFP(256, 5, refine_level, upsample_cfg=dict(type=name))
    assert [m.scale_factor for m in model.gather_upsamplers] == gather
    assert [m.scale_factor for m in model.scatter_upsamplers] == scatter
    count = sum(p.numel() for p in model.parameters())
    assert count == sum(COUNTS[name][s] for s in gather + scatter)


@pytest.mark.parametrize('refine_level', [-1, 4])
def test_a_refine_level_that_is_none(refine_level):
    with pytest.raises(ValueError, match=rf'must be 0..3, .*, but it is {refine_level}'):
        DyBFP(4, 4, refine_level=refine_level)
