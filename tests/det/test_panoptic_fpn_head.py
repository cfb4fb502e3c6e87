import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmdet')
from mmdet.models.seg_heads import PanopticFPNHead  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402

from mmdyup.det import DyPanopticFPNHead  # noqa: E402
from mmdyup.testing import NeckContract  # noqa: E402


class TestDyPanopticFPNHead(NeckContract):
    part, parent = DyPanopticFPNHead, PanopticFPNHead
    args = dict(
        num_things_classes=3,
        num_stuff_classes=4,
        in_channels=64,
        inner_channels=32,
        loss_seg=dict(type='CrossEntropyLoss', ignore_index=-1, avg_non_ignore=True),
    )
    in_channels = [64] * 4
    upsamplers = [(32, 2)] * 6
    is_head = True
    plain = dict(type='bilinear')

    @pytest.mark.parametrize(
        'options',
        [
            dict(start_level=1),
            dict(start_level=1, end_level=3),
            dict(end_level=1),
            dict(norm_cfg=None),
            dict(norm_cfg=dict(type='BN')),
        ],
        ids=str,
    )
    def test_bilinear_is_the_parent_with(self, options):
        parent = self.parent(**self.args | options)
        self.assert_same(self.build(**options), parent, self.levels((32, 48)))

    def test_sizes_rounded_down_are_fitted(self):
        outs = self.outputs(self.build(), self.levels((45, 59), 'down'))
        assert [tuple(out.shape) for out in outs] == [(2, 5, 45, 59), (2, 32, 45, 59)]

    @pytest.mark.parametrize(
        ('options', 'steps'), [(dict(), [0, 1, 2, 3]), (dict(start_level=1, end_level=3), [1, 2])]
    )
    def test_every_step_has_its_own_upsampler(self, options, steps):
        head = self.build(dict(type='SAPA'), **options)
        assert [len(stage) for stage in head.upsample_modules] == steps
        modules = [m for stage in head.upsample_modules for m in stage]
        assert len(set(modules)) == sum(steps)
        assert all((m.in_channels, m.guide_channels) == (32, 64) for m in modules)

    def test_the_guides_are_the_finer_levels(self, guide_teller):
        head, seen = self.build(dict(type=guide_teller)), {}
        for i, stage in enumerate(head.upsample_modules):
            for k, upsampler in enumerate(stage):

                def look(x, guide, at=(i, k)):
                    seen[at] = guide
                    return F.interpolate(x, scale_factor=2)

                upsampler.forward = look
        levels = self.levels((32, 48))
        head(levels)
        assert len(seen) == 6
        assert all(torch.equal(guide, levels[i - 1 - k]) for (i, k), guide in seen.items())

    def test_the_guide_may_have_other_channels_without_a_gate(self):
        head = self.build(dict(type='FADE', gate=False))
        assert head(self.levels((16, 16)))['seg_feats'].shape == (2, 32, 16, 16)

    def test_it_trains_and_predicts_at_sizes_that_do_not_divide(self):
        head, levels = self.build(dict(type='DySample')), self.levels((25, 38))
        samples = [
            DetDataSample(gt_sem_seg=PixelData(sem_seg=torch.randint(0, 7, (1, 100, 150))))
            for _ in range(2)
        ]
        assert head.loss(levels, samples)['loss_seg'].isfinite()
        preds = head.predict(levels, [dict(batch_input_shape=(100, 150))] * 2)
        assert [pred.shape for pred in preds] == [(5, 100, 150)] * 2

    def test_too_few_levels(self):
        with pytest.raises(ValueError, match='needs 4 levels, but 3 are given; set end_level'):
            self.build()(self.levels((16, 16))[:3])
