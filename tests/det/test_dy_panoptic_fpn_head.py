import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmdet')
from mmdet.models.seg_heads import PanopticFPNHead  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402

from mmdyup.det import DyPanopticFPNHead  # noqa: E402
from mmdyup.upsamplers import Upsampler  # noqa: E402

LOSS = dict(type='CrossEntropyLoss', ignore_index=-1, avg_non_ignore=True)
ARGS = dict(
    num_things_classes=3, num_stuff_classes=4, in_channels=32, inner_channels=32, loss_seg=LOSS
)


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(start_level=1),
        dict(start_level=1, end_level=3),
        dict(end_level=1),
        dict(norm_cfg=None),
        dict(norm_cfg=dict(type='BN')),
    ],
)
def test_bilinear_is_the_parent(options, pyramid):
    parent = PanopticFPNHead(**ARGS, **options)
    parent.init_weights()
    ours = DyPanopticFPNHead(**ARGS, **options)
    ours.load_state_dict(parent.state_dict(), strict=True)
    features = pyramid([32] * 4, (32, 48))
    expected, outs = parent(features), ours(features)
    assert outs.keys() == expected.keys()
    assert all(torch.equal(outs[key], expected[key]) for key in outs)


@pytest.mark.parametrize(
    'name', ['nearest', 'deconv', 'pixel_shuffle', 'CARAFE', 'DLU', 'DySample', 'FADE', 'SAPA']
)
@pytest.mark.parametrize('size', [(37, 61), (32, 1)])
def test_every_upsampler_at_any_size(name, size, device, pyramid):
    head = MODELS.build(dict(type='DyPanopticFPNHead', **ARGS, upsample_cfg=dict(type=name)))
    outs = head.to(device)(tuple(x.to(device) for x in pyramid([32] * 4, size)))
    assert outs['seg_preds'].shape == (2, 5, *size)
    outs['seg_preds'].square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_sizes_rounded_down_are_fitted(pyramid):
    head = DyPanopticFPNHead(**ARGS)
    assert head(pyramid([32] * 4, (45, 59), 'down'))['seg_preds'].shape == (2, 5, 45, 59)


@pytest.mark.parametrize(
    ('options', 'steps'), [(dict(), [0, 1, 2, 3]), (dict(start_level=1, end_level=3), [1, 2])]
)
def test_every_step_has_its_own_upsampler(options, steps):
    head = DyPanopticFPNHead(**ARGS, **options, upsample_cfg=dict(type='DySample'))
    assert [len(stage) for stage in head.upsample_modules] == steps
    modules = [m for m in head.modules() if isinstance(m, Upsampler)]
    assert len(modules) == sum(steps)
    assert all(m.scale_factor == 2 and m.in_channels == 32 for m in modules)


def test_the_guides_are_the_finer_levels(guide_teller, pyramid):
    args = dict(ARGS, in_channels=64, norm_cfg=None)
    head = DyPanopticFPNHead(**args, upsample_cfg=dict(type=guide_teller))
    assert {m.guide_channels for stage in head.upsample_modules for m in stage} == {64}
    seen = []
    for stage in head.upsample_modules:
        for upsampler in stage:
            upsampler.forward = lambda x, guide: (
                seen.append(guide),
                F.interpolate(x, scale_factor=2),
            )[1]
    features = pyramid([64] * 4, (32, 48))
    head(features)
    expected = [features[i] for i in (0, 1, 0, 2, 1, 0)]
    assert all(torch.equal(a, b) for a, b in zip(seen, expected, strict=True))


def test_guides_may_have_other_channels_than_the_inner_feature(pyramid):
    args = dict(ARGS, in_channels=64)
    features = pyramid([64] * 4, (16, 16))
    for cfg in (dict(type='SAPA'), dict(type='FADE', gate=False)):
        head = DyPanopticFPNHead(**args, upsample_cfg=cfg)
        assert head(features)['seg_feats'].shape == (2, 32, 16, 16)


def test_it_trains_and_predicts_at_sizes_that_do_not_divide(pyramid):
    head = DyPanopticFPNHead(**ARGS, upsample_cfg=dict(type='DySample'))
    features = pyramid([32] * 4, (25, 38))
    samples = [
        DetDataSample(gt_sem_seg=PixelData(sem_seg=torch.randint(0, 7, (1, 100, 150))))
        for _ in range(2)
    ]
    assert head.loss(features, samples)['loss_seg'].isfinite()
    preds = head.predict(features, [dict(batch_input_shape=(100, 150))] * 2)
    assert [pred.shape for pred in preds] == [(5, 100, 150)] * 2


def test_the_start_survives_the_heads_init():
    def offsets(name, layer):
        head = DyPanopticFPNHead(
            **dict(ARGS, inner_channels=128),
            upsample_cfg=dict(type=name),
            init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform'),
        )
        head.init_weights()
        return torch.cat(
            [getattr(m, layer).weight.flatten() for m in head.modules() if isinstance(m, Upsampler)]
        )

    torch.testing.assert_close(offsets('DySample', 'offset').std().item(), 0.001, rtol=0.05, atol=0)
    assert not offsets('DLU', 'conv_offset').any()


def test_errors_say_what_to_do(pyramid):
    with pytest.raises(ValueError, match="no upsampler 'DySampel'.*DySample"):
        DyPanopticFPNHead(**ARGS, upsample_cfg=dict(type='DySampel'))
    head = DyPanopticFPNHead(**ARGS)
    features = pyramid([32] * 4, (16, 16))
    with pytest.raises(ValueError, match='needs 4 levels, but 3 are given; set end_level'):
        head(features[:3])
    with pytest.raises(ValueError, match='are not 2 times apart'):
        head((*features[:3], features[2]))
