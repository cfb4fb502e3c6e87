import pytest
import torch

pytest.importorskip('mmdet')
from mmdet.registry import MODELS  # noqa: E402

from mmdyup.upsamplers import Upsampler  # noqa: E402

NECKS = {
    'DyFPN': dict(num_outs=5),
    'DyFPNCARAFE': dict(num_outs=5),
    'DyPAFPN': dict(num_outs=5),
    'DyYOLOXPAFPN': dict(num_csp_blocks=1),
    'DyCSPNeXtPAFPN': dict(num_csp_blocks=1),
    'DyBFP': dict(num_levels=4, refine_level=1, refine_type='conv'),
}


def build(neck, name, channels=32, **options):
    args = (
        dict(in_channels=channels)
        if neck == 'DyBFP'
        else dict(in_channels=[channels] * 4, out_channels=channels)
    )
    return MODELS.build(
        dict(type=neck, **args, **NECKS[neck], **options, upsample_cfg=dict(type=name))
    )


@pytest.mark.parametrize('neck', NECKS)
@pytest.mark.parametrize(
    'name', ['bilinear', 'deconv', 'pixel_shuffle', 'CARAFE', 'DLU', 'DySample', 'FADE', 'SAPA']
)
@pytest.mark.parametrize('size', [(37, 61), (32, 1)])
def test_every_upsampler_at_any_size(neck, name, size, device, pyramid):
    model = build(neck, name).to(device)
    features = tuple(x.to(device) for x in pyramid([32] * 4, size))
    outs = model(features)
    assert [out.shape[-2:] for out in outs[:4]] == [x.shape[-2:] for x in features]
    sum(out.square().sum() for out in outs).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize('neck', NECKS)
def test_the_start_survives_the_necks_init(neck):
    def offsets(name, layer):
        model = build(neck, name, channels=128)
        model.init_weights()
        return torch.cat(
            [
                getattr(m, layer).weight.flatten()
                for m in model.modules()
                if isinstance(m, Upsampler)
            ]
        )

    torch.testing.assert_close(offsets('DySample', 'offset').std().item(), 0.001, rtol=0.05, atol=0)
    assert not offsets('DLU', 'conv_offset').any()


@pytest.mark.parametrize('neck', NECKS)
def test_errors_say_what_to_do(neck, pyramid):
    with pytest.raises(ValueError, match="no upsampler 'DySampel'.*DySample"):
        build(neck, 'DySampel')
    model = build(neck, 'nearest')
    features = pyramid([32] * 4, (16, 16))
    with pytest.raises(ValueError, match=r'levels \(4, 4\) and \(4, 4\) are not 2 times apart'):
        model((*features[:3], torch.randn(2, 32, 4, 4)))
    with pytest.raises(ValueError, match='4 levels are expected, but 3 are given'):
        model(features[:3])
