"""``downsample_cfg`` of the necks that go up again."""

import pytest
import torch

pytest.importorskip('mmdet')
from mmdet.models.necks import PAFPN, YOLOXPAFPN, CSPNeXtPAFPN  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402

from mmdyup.blocks import HybridDown, SPDConv, SPDConvLite, fuse  # noqa: E402
from mmdyup.det import DyCSPNeXtPAFPN, DyPAFPN, DyYOLOXPAFPN  # noqa: E402

CHANNELS = [16, 32, 16]
CSP = dict(in_channels=CHANNELS, out_channels=16, num_csp_blocks=1)
NECKS = {
    'PAFPN': (DyPAFPN, PAFPN, dict(in_channels=CHANNELS, out_channels=16, num_outs=4)),
    'YOLOX': (DyYOLOXPAFPN, YOLOXPAFPN, CSP),
    'YOLOX, depthwise': (DyYOLOXPAFPN, YOLOXPAFPN, CSP | dict(use_depthwise=True)),
    'RTMDet': (DyCSPNeXtPAFPN, CSPNeXtPAFPN, CSP | dict(expand_ratio=0.5)),
}
of_every_neck = pytest.mark.parametrize(('part', 'parent', 'args'), NECKS.values(), ids=NECKS)


def levels():
    return tuple(torch.randn(2, c, 32 >> i, 48 >> i) for i, c in enumerate(CHANNELS))


def steps(neck):
    return neck.downsample_convs if isinstance(neck, PAFPN) else neck.downsamples


@of_every_neck
def test_without_it_the_names_are_the_parents(part, parent, args):
    assert part(**args).state_dict().keys() == parent(**args).state_dict().keys()


@pytest.mark.parametrize('training', [True, False], ids=['training', 'eval'])
@of_every_neck
def test_hybrid_down_starts_as_the_parent_whose_state_fits(part, parent, args, training):
    parent = parent(**args)
    parent.init_weights()
    cfg = dict(type='HybridDown')
    neck = MODELS.build(dict(type=part.__name__, downsample_cfg=cfg, **args))
    neck.init_weights()
    missing, unexpected = neck.load_state_dict(parent.state_dict(), strict=False)
    assert missing and not unexpected
    assert all('.path.' in name or '.beta.' in name for name in missing)
    maps = levels()
    neck.train(training), parent.train(training)
    expected = parent(maps)
    assert all(map(torch.equal, neck(maps), expected))
    for conv in steps(neck):
        conv.beta.bias.data.fill_(1)
    changed = [not torch.equal(a, b) for a, b in zip(neck(maps), expected, strict=True)]
    assert changed[0] is False and all(changed[1:])


def test_hybrid_down_beside_a_conv_module_is_the_block():
    conv, args = DyYOLOXPAFPN(**CSP, downsample_cfg=dict(type=HybridDown)).downsamples[1], (32, 32)
    block = HybridDown(*args)
    torch.nn.init.ones_(conv.beta.bias)
    block.load_state_dict(conv.state_dict(), strict=True)
    block.bn.eps, block.bn.momentum = conv.bn.eps, conv.bn.momentum
    x = torch.randn(2, 32, 7, 6)
    torch.testing.assert_close(conv(x), block(x))
    torch.testing.assert_close(fuse(conv.eval())(x), block.eval()(x), rtol=1e-4, atol=1e-5)


@of_every_neck
@pytest.mark.parametrize(
    ('cfg', 'block'),
    [
        (dict(type='SPDConv', k=1), SPDConv),
        (dict(type='SPDConvLite', ratio=1, groups=8), SPDConvLite),
        (dict(type=SPDConvLite), SPDConvLite),
        (dict(type='HybridDown', ratio=0.5), None),
    ],
    ids=str,
)
def test_every_step_takes_it_at_any_size(cfg, block, part, parent, args):
    neck = part(**args, upsample_cfg=dict(type='DySample'), downsample_cfg=cfg)
    neck.init_weights()
    assert len(steps(neck)) == 2
    for step in steps(neck):
        assert hasattr(step, 'beta') if block is None else type(step) is block
    sizes = [(9, 21), (5, 11), (3, 6)]
    maps = tuple(torch.randn(2, c, *n) for c, n in zip(CHANNELS, sizes, strict=True))
    outs = neck(maps)
    assert [out.shape[-2:] for out in outs[:3]] == [x.shape[-2:] for x in maps]
    sum(out.square().sum() for out in outs).backward()
    for name, parameter in neck.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ('cfg', 'kind', 'match'),
    [
        ('SPDConv', TypeError, "downsample_cfg must be a dict .*, but it is 'SPDConv'"),
        ({}, ValueError, 'type must be a block .* SPDConv.*, but it is None'),
        (dict(type='SPDCnov'), ValueError, "but it is 'SPDCnov'"),
        (dict(type='DySample'), ValueError, "but it is 'DySample'"),
        (dict(type='SPDConv', s=4), ValueError, "takes no 's' here; it takes k"),
        (dict(type='HybridDown', k=5), ValueError, "takes no 'k' here; it takes ratio"),
        (dict(type='HybridDown', ratio=-1), ValueError, 'ratio must be above 0'),
    ],
    ids=str,
)
def test_a_config_that_does_not_fit(cfg, kind, match):
    with pytest.raises(kind, match=match):
        DyYOLOXPAFPN(**CSP, downsample_cfg=cfg)
