"""Parts whose parent interpolates, or deconvolves, on its way: each beside its parent."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.model import Sequential
from mmengine.registry import init_default_scope

import mmdyup
from mmdyup import Upsampler
from mmdyup.pyramid import DynamicPart
from mmdyup.testing import needs_export_for_any_size, needs_operators_in_graphs


def levels(*channels, size=(16, 24), first=0):
    """Features of two pictures, each level half the one before, rounded up."""
    made = []
    for c in channels:
        made.append(torch.randn(2, c, *size))
        size = tuple(math.ceil(n / 2) for n in size)
    return tuple(made[first:])


@dataclass
class Case:
    """A part, what builds it and its parent, and what comes in.

    Attributes:
        part: Its name in ``mmdyup.det`` or ``mmdyup.seg``.
        args: Arguments of both.
        inputs: Makes what both are called with, for any size of the finest map.
        upsamplers: Ratios of the upsamplers, in order.
        guided: Whether guided upsamplers find a finer feature.
        own: The parent's own interpolation, as in the config; None where the parent has several.
        odd: A size that does not divide, if the parent takes such.
    """

    framework: str
    part: str
    args: dict
    inputs: Callable
    upsamplers: list[int]
    guided: bool = True
    own: dict | None = field(default_factory=lambda: dict(type='bilinear'))
    size: tuple[int, int] = (16, 24)
    odd: tuple[int, int] | None = None

    @property
    def cls(self):
        return getattr(vars(mmdyup)[self.framework], self.part)

    @property
    def parent(self):
        package = dict(det='mmdet', seg='mmseg')[self.framework]
        return next(c for c in self.cls.__mro__ if c.__module__.startswith(f'{package}.'))

    def build(self, upsample_cfg=None):
        return self.cls(**copy.deepcopy(self.args), upsample_cfg=upsample_cfg)


NEAREST = dict(type='nearest')
CORNERS = dict(type='bilinear', align_corners=True)
DECONV = dict(type='deconv')
BN = dict(type='BN')
GN = dict(type='GN', num_groups=4)


def picture(size):
    return (torch.randn(2, 3, *size),)


def hr_stages(**branches):
    def stage(n, block):
        return dict(
            num_modules=1,
            num_branches=n,
            block=block,
            num_blocks=(1,) * n,
            num_channels=(32, 64, 32, 64)[:n],
        )

    return dict(
        extra=dict(
            stage1=stage(1, 'BOTTLENECK'),
            stage2=stage(2, 'BASIC'),
            stage3=stage(3, 'BASIC'),
            stage4=stage(4, 'BASIC'),
        )
    )


FPN = dict(in_channels=[32, 64, 32, 64], out_channels=32, num_outs=5)
SOLO = dict(
    num_classes=3,
    in_channels=32,
    feat_channels=32,
    stacked_convs=2,
    num_grids=[7, 6, 5, 4, 3],
    strides=[8, 8, 16, 32, 32],
    norm_cfg=GN,
    loss_mask=dict(type='mmdet.DiceLoss', use_sigmoid=True, loss_weight=3.0),
    loss_cls=dict(type='mmdet.FocalLoss'),
)
RTMDET = dict(
    num_classes=3,
    in_channels=32,
    feat_channels=32,
    stacked_convs=1,
    anchor_generator=dict(type='mmdet.MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
    bbox_coder=dict(type='mmdet.DistancePointBBoxCoder'),
    loss_cls=dict(type='mmdet.QualityFocalLoss', use_sigmoid=True),
    loss_bbox=dict(type='mmdet.GIoULoss'),
    norm_cfg=BN,
)
SEMANTIC = dict(
    num_ins=4,
    fusion_level=1,
    num_convs=1,
    in_channels=32,
    conv_out_channels=32,
    num_classes=3,
    loss_seg=dict(type='mmdet.CrossEntropyLoss', ignore_index=255, loss_weight=0.2),
)
ENCODER = ConfigDict(
    num_layers=1,
    layer_cfg=dict(
        self_attn_cfg=dict(embed_dims=32, num_heads=2, dropout=0.0, batch_first=True),
        ffn_cfg=dict(embed_dims=32, feedforward_channels=32, ffn_drop=0.0),
    ),
)


def pyramid(*channels):
    return lambda size: (levels(*channels, size=size),)


def det_cases():
    def case(*args, **options):
        return Case('det', *args, **options)

    four = pyramid(32, 64, 32, 64)
    yield case(
        'DyHRNet',
        hr_stages(),
        picture,
        [2, 2, 4, 2] + [2, 4, 8, 2, 4, 2],
        own=NEAREST,
        size=(64, 64),
        odd=(66, 90),
    )
    yield case(
        'DyHourglassNet',
        dict(
            downsample_times=2,
            num_stacks=2,
            stage_channels=(32, 32, 64),
            stage_blocks=(1, 1, 1),
            feat_channel=32,
        ),
        picture,
        [2] * 4,
        own=NEAREST,
        size=(64, 96),
        odd=(70, 90),
    )
    yield case('DyHRFPN', FPN, four, [2, 4, 8], odd=(17, 23))
    yield case(
        'DyYOLOV3Neck',
        dict(num_scales=3, in_channels=[64, 32, 32], out_channels=[64, 32, 32]),
        pyramid(32, 32, 64),
        [2, 2],
        own=NEAREST,
        odd=(17, 23),
    )
    yield case(
        'DyFPG',
        dict(
            FPN,
            in_channels=[32, 64, 32, 64],
            inter_channels=32,
            stack_times=2,
            paths=['td', 'td'],
            same_down_trans=dict(type='interpolation_conv', mode='nearest', kernel_size=3),
            across_lateral_trans=dict(type='conv', kernel_size=1),
            across_down_trans=dict(type='interpolation_conv', mode='nearest', kernel_size=3),
            across_skip_trans=dict(type='conv', kernel_size=1),
            skip_inds=[(), (), (), (), ()],
            norm_cfg=BN,
        ),
        lambda size: (levels(32, 64, 32, 64, size=size),),
        [2] * 16,
        guided=False,
        own=NEAREST,
        size=(32, 32),
    )
    yield case(
        'DyNASFPN',
        dict(FPN, in_channels=[32, 64, 32, 64], start_level=1, stack_times=2),
        four,
        [4, 2, 2] * 2,
        own=NEAREST,
        size=(64, 64),
    )
    yield case(
        'DyNASFCOSFPN',
        dict(FPN, start_level=1, add_extra_convs=True, norm_cfg=BN),
        four,
        [4, 4, 2, 4, 4],
        own=None,
        size=(32, 48),
    )
    backbone = dict(
        type='DetectoRS_ResNet',
        depth=50,
        base_channels=16,
        stem_channels=16,
        rfp_inplanes=32,
        output_img=True,
        norm_cfg=BN,
    )
    yield case(
        'DyRFP',
        dict(
            in_channels=[64, 128, 256, 512],
            out_channels=32,
            num_outs=5,
            rfp_steps=2,
            rfp_backbone=backbone,
            aspp_out_channels=8,
        ),
        # the picture, four times as large, comes first
        lambda size: (
            (torch.randn(2, 3, *(4 * n for n in size)), *levels(64, 128, 256, 512, size=size)),
        ),
        [2] * 3,
        own=NEAREST,
        size=(16, 24),
    )
    yield case('DyFPNDropBlock', FPN, four, [2] * 3, own=NEAREST, odd=(17, 23))
    yield case(
        'DyDyHead',
        dict(in_channels=32, out_channels=32, num_blocks=2),
        pyramid(*[32] * 5),
        [2] * 8,
        own=CORNERS,
        odd=(19, 23),
    )
    yield case(
        'DyCTResNetNeck',
        dict(in_channels=32, num_deconv_filters=(32, 64), num_deconv_kernels=(4, 4), use_dcn=False),
        pyramid(16, 32),
        [2, 2],
        guided=False,
        own=DECONV,
        odd=(17, 23),
    )
    for name, n in [
        ('DySOLOHead', 5),
        ('DyDecoupledSOLOHead', 10),
        ('DyDecoupledSOLOLightHead', 5),
    ]:
        yield case(name, SOLO, pyramid(*[32] * 5), [2] * (1 + n), guided=False, size=(32, 48))
    yield case(
        'DySOLOV2Head',
        dict(
            SOLO,
            mask_feature_head=ConfigDict(
                feat_channels=32, start_level=0, end_level=3, out_channels=8, norm_cfg=GN
            ),
        ),
        pyramid(*[32] * 5),
        [2] * 7,
        size=(32, 48),
    )
    for name in ('DyRTMDetInsHead', 'DyRTMDetInsSepBNHead'):
        yield case(name, RTMDET, pyramid(*[32] * 3), [2, 4], odd=(17, 23))
    yield case(
        'DyGridHead',
        dict(
            grid_points=4,
            num_convs=1,
            in_channels=16,
            point_feat_channels=8,
            norm_cfg=dict(type='GN', num_groups=4),
        ),
        lambda size: (torch.randn(2, 16, 14, 14),),
        [2],
        guided=False,
        own=DECONV,
    )
    yield case(
        'DyFeatureRelayHead',
        dict(in_channels=16, out_conv_channels=32, roi_feat_size=7, scale_factor=2),
        lambda size: (torch.randn(2, 16),),
        [2],
        guided=False,
        own=CORNERS,
    )
    for name in ('DyFusedSemanticHead', 'DySCNetSemanticHead'):
        yield case(name, SEMANTIC, pyramid(*[32] * 4), [2, 4], own=CORNERS, odd=(17, 23))
    yield case(
        'DyTransformerEncoderPixelDecoder',
        dict(
            in_channels=[32, 64, 32, 64],
            feat_channels=32,
            out_channels=32,
            encoder=ENCODER,
            positional_encoding=dict(num_feats=16, normalize=True),
        ),
        lambda size: (
            levels(32, 64, 32, 64, size=size),
            [dict(batch_input_shape=(64, 96), img_shape=(60, 96))] * 2,
        ),
        [2] * 3,
        own=NEAREST,
        odd=(17, 23),
    )


def head(in_channels, **options):
    select = {} if isinstance(in_channels, int) else dict(in_index=[*range(len(in_channels))])
    return (
        dict(
            in_channels=in_channels,
            channels=32,
            num_classes=3,
            dropout_ratio=0,
            norm_cfg=BN,
            **select,
        )
        | options
    )


RESNET = dict(type='ResNet', depth=18, base_channels=16, norm_cfg=BN)


def seg_cases():
    def case(*args, **options):
        return Case('seg', *args, **options)

    yield case(
        'DyUNet',
        dict(
            base_channels=32,
            num_stages=3,
            strides=(1,) * 3,
            enc_num_convs=(1,) * 3,
            dec_num_convs=(1,) * 2,
            downsamples=(True, True),
            enc_dilations=(1,) * 3,
            dec_dilations=(1,) * 2,
        ),
        picture,
        [2, 2],
        size=(32, 48),
    )
    yield case(
        'DyHRNet', hr_stages(), picture, [2, 2, 4, 2, 2, 4, 8, 2, 4, 2], size=(64, 64), odd=(66, 90)
    )
    yield case(
        'DyBiSeNetV1',
        dict(
            backbone_cfg=dict(RESNET, out_indices=(0, 1, 2, 3)),
            spatial_channels=(8, 8, 8, 32),
            context_channels=(32, 64, 128),
            out_channels=32,
        ),
        picture,
        [2, 2],
        own=NEAREST,
        size=(64, 96),
        odd=(72, 88),
    )
    yield case(
        'DyBiSeNetV2',
        dict(
            detail_channels=(8, 8, 32),
            semantic_channels=(8, 8, 16, 32),
            bga_channels=32,
            semantic_expansion_ratio=2,
        ),
        picture,
        [4, 4],
        size=(64, 96),
    )
    yield case(
        'DySTDCContextPathNet',
        dict(
            backbone_cfg=dict(
                type='STDCNet',
                stdc_type='STDCNet1',
                in_channels=3,
                channels=(8, 16, 32, 64, 128),
                bottleneck_type='cat',
                num_convs=4,
                norm_cfg=BN,
                act_cfg=dict(type='ReLU'),
            ),
            last_in_channels=(128, 64),
            out_channels=32,
            ffm_cfg=dict(in_channels=64, out_channels=32, scale_factor=4),
        ),
        picture,
        [2, 2],
        own=NEAREST,
        size=(64, 96),
        odd=(72, 104),
    )
    yield case(
        'DyFastSCNN',
        dict(
            downsample_dw_channels=(8, 16),
            global_in_channels=32,
            global_block_channels=(16, 16, 32),
            global_out_channels=32,
            higher_in_channels=32,
            lower_in_channels=32,
            fusion_out_channels=32,
        ),
        picture,
        [4],
        size=(64, 96),
        odd=(72, 96),
    )
    yield case(
        'DyDDRNet',
        dict(channels=8, ppm_channels=16),
        picture,
        [2, 4, 8],
        guided=False,
        size=(64, 128),
    )
    for stem in (2, 3):
        yield case(
            'DyPIDNet',
            dict(channels=8, ppm_channels=16, num_stem_blocks=stem, num_branch_blocks=stem),
            picture,
            [2] * 3 + [4] * 3 + [8],
            guided=False,
            size=(64, 128),
        )
    yield case(
        'DyERFNet',
        dict(
            enc_downsample_channels=(8, 16, 32),
            enc_stage_non_bottlenecks=(1, 4),
            enc_non_bottleneck_channels=(16, 32),
            dec_upsample_channels=(16, 8),
            dec_stages_non_bottleneck=(1, 1),
            dec_non_bottleneck_channels=(16, 8),
            dropout_ratio=0,
        ),
        picture,
        [2, 2],
        guided=False,
        own=DECONV,
        size=(32, 48),
    )
    yield case(
        'DyICNeck',
        dict(in_channels=(32, 64, 32), out_channels=32),
        pyramid(32, 64, 32),
        [2, 2],
        odd=(17, 23),
    )
    yield case(
        'DyJPU',
        dict(in_channels=(32, 64, 32), mid_channels=32),
        pyramid(32, 64, 32),
        [2, 4],
        odd=(17, 23),
    )
    yield case(
        'DyMultiLevelNeck',
        dict(in_channels=[32, 64, 32, 64], out_channels=32, scales=[4, 2, 1, 0.5]),
        lambda size: (tuple(torch.randn(2, c, *size) for c in (32, 64, 32, 64)),),
        [4, 2],
        guided=False,
        size=(8, 12),
        odd=(7, 9),
    )
    yield case(
        'DyFeature2Pyramid',
        dict(embed_dim=32, norm_cfg=BN),
        lambda size: (tuple(torch.randn(2, 32, *size) for _ in range(4)),),
        [2, 2, 2],
        guided=False,
        own=DECONV,
        size=(8, 12),
    )
    yield case(
        'DyDepthwiseSeparableASPPHead',
        head(64, in_index=1, dilations=(1, 2), c1_in_channels=32, c1_channels=32),
        pyramid(32, 64),
        [2],
        odd=(17, 23),
    )
    yield case(
        'DyLRASPPHead',
        head([32, 32, 32], branch_channels=(8, 16), input_transform='multiple_select'),
        pyramid(32, 32, 32),
        [2, 2],
        size=(196, 200),
    )
    yield case(
        'DyLightHamHead',
        head([32, 64, 32], ham_channels=32, ham_kwargs=dict(MD_R=4, rand_init=False), norm_cfg=GN),
        pyramid(32, 64, 32),
        [2, 4],
        odd=(17, 23),
    )
    yield case(
        'DySETRUPHead',
        head(32, num_convs=2, up_scale=2),
        pyramid(32),
        [2, 2],
        guided=False,
        odd=(7, 9),
    )
    yield case(
        'DySETRMLAHead',
        head([32, 64], mla_channels=16, up_scale=4),
        lambda size: ([torch.randn(2, c, *size) for c in (32, 64)],),
        [4, 4],
        guided=False,
    )
    yield case(
        'DyDPTHead',
        head(
            [32] * 4,
            embed_dims=32,
            post_process_channels=[16, 16, 32, 32],
            input_transform='multiple_select',
        ),
        lambda size: ([(torch.randn(2, 32, *size), torch.randn(2, 32))] * 4,),
        [2] * 4,
        guided=False,
        own=CORNERS,
        size=(8, 12),
        odd=(7, 9),
    )


CASES = {}
if 'seg' in vars(mmdyup):
    CASES |= {f'seg-{case.part}-{i}': case for i, case in enumerate(seg_cases())}
if 'det' in vars(mmdyup):
    CASES |= {case.part: case for case in det_cases()}


@pytest.fixture(params=CASES)
def case(request):
    case = CASES[request.param]
    init_default_scope(dict(det='mmdet', seg='mmseg')[case.framework])
    return case


def maps(outs):
    """All tensors in a result, in order."""
    if isinstance(outs, torch.Tensor):
        return [outs]
    outs = outs.values() if isinstance(outs, dict) else outs
    return [x for out in outs for x in maps(out)]


def run(module, inputs, training=False):
    module.train(training)
    # a module may change what comes in, and draw
    torch.manual_seed(1)
    return maps(module(*copy.deepcopy(inputs)))


def upsamplers(part):
    return [module for module in part.modules() if isinstance(module, Upsampler)]


def test_the_parents_own_interpolation_is_the_parent(case):
    parent = case.parent(**copy.deepcopy(case.args))
    parts = [case.build(None), *([case.build(case.own)] if case.own else [])]
    for part in parts:
        part.load_state_dict(parent.state_dict(), strict=True)
    inputs = case.inputs(case.size)
    # in training first, which moves the statistics of all alike
    for training in (True, False):
        expected = run(parent, inputs, training)
        for part in parts:
            outs = run(part, inputs, training)
            assert len(outs) == len(expected) and all(map(torch.equal, outs, expected))


def test_every_upsampler_is_used_and_learns(case):
    part, parent = case.build(dict(type='DySample')), case.parent(**copy.deepcopy(case.args))
    assert isinstance(part, DynamicPart) and part.upsample_cfg == dict(type='DySample')
    assert [m.scale_factor for m in upsamplers(part)] == case.upsamplers
    inputs = case.inputs(case.size)
    for training in (True, False):
        part.zero_grad()
        outs, expected = run(part, inputs, training), run(parent, inputs, training)
        assert [x.shape for x in outs] == [x.shape for x in expected]
        sum(x.square().sum() for x in outs).backward()
        for upsampler in upsamplers(part):
            assert upsampler.offset.weight.grad.isfinite().all()
            assert upsampler.offset.weight.grad.any()


def test_odd_sizes_are_fitted(case):
    if case.odd is None:
        pytest.skip('the parent wants sizes that divide')
    part = case.build(dict(type='DySample'))
    outs = run(part, case.inputs(case.odd))
    assert all(x.isfinite().all() for x in outs)


def test_guided_ones_see_the_finer_feature_or_are_refused(case):
    cfg = dict(type='SAPA')
    if not case.guided:
        with pytest.raises(ValueError, match='SAPA needs the finer feature.*is not guided'):
            case.build(cfg)
        return
    part = case.build(cfg)
    for size in filter(None, (case.size, case.odd)):
        part.zero_grad()
        sum(x.square().sum() for x in run(part, case.inputs(size))).backward()
        for upsampler in upsamplers(part):
            for name, parameter in upsampler.named_parameters():
                assert parameter.grad.isfinite().all(), name


class Shifting(Upsampler):
    """Nearest; adds ``shift`` to the finer level that it meets."""

    guided = True
    shift = 0

    def __init__(self, in_channels, scale_factor=2, guide_channels=None):
        super().__init__(in_channels, scale_factor)
        self.guide_channels = guide_channels or in_channels

    def forward(self, x, guide=None):
        assert guide.shape[1] == self.guide_channels
        return F.interpolate(x, scale_factor=self.scale_factor)

    def meet(self, x, fine):
        x, fine = super().meet(x, fine)
        return x, fine + self.shift


def test_what_a_meeting_makes_of_the_finer_level_goes_on(case):
    if not case.guided:
        pytest.skip('there is no finer level')
    part = case.build(dict(type=Shifting))
    inputs = case.inputs(case.size)
    expected = run(part, inputs)
    changed = []
    for upsampler in upsamplers(part):
        upsampler.shift = 1
        changed.append(not all(map(torch.equal, run(part, inputs), expected)))
        upsampler.shift = 0
    # not every parent uses every finer level again
    assert any(changed)


def test_the_start_survives_a_parents_init(case):
    part = case.build(dict(type='DySample'))
    init_cfg = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=1)
    Sequential(part, init_cfg=init_cfg).init_weights()
    for upsampler in upsamplers(part):
        torch.testing.assert_close(upsampler.offset.weight.std().item(), 0.001, rtol=0.25, atol=0)
        assert not upsampler.offset.bias.any()


def test_a_config_that_does_not_fit(case):
    with pytest.raises(TypeError, match='must be a dict'):
        case.build('DySample')
    with pytest.raises(ValueError, match="no upsampler 'DySampel'"):
        case.build(dict(type='DySampel'))
    with pytest.raises(ValueError, match='colour=1'):
        case.build(dict(type='DySample', colour=1))


# one whose guide comes in, one whose guide is what a size was asked of
COMPILED = [name for name in CASES if 'DyHRFPN' in name or 'DyJPU' in name]


@pytest.mark.slow
@needs_operators_in_graphs
@pytest.mark.parametrize('upsampler', ['DySample', 'SAPA'])
@pytest.mark.parametrize('name', COMPILED)
def test_it_compiles(name, upsampler):
    torch.compiler.reset()
    case = CASES[name]
    part = case.build(dict(type=upsampler)).eval()
    inputs = case.inputs(case.size)
    # a guide that is found by its size is found beside the graph
    fullgraph = upsampler == 'DySample' or 'HRFPN' in name
    compiled = torch.compile(part, fullgraph=fullgraph, backend='aot_eager')
    with torch.no_grad():
        for a, b in zip(maps(compiled(*inputs)), maps(part(*inputs)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@needs_export_for_any_size
@pytest.mark.parametrize('name', COMPILED)
def test_it_exports_for_any_size(name):
    case = CASES[name]
    part = case.build(dict(type='DySample')).eval()
    (levels,) = case.inputs((32, 48))
    sizes = dict.fromkeys((2, 3), torch.export.Dim.AUTO)
    program = torch.export.export(part, (levels,), dynamic_shapes=(((sizes,) * len(levels),),))
    (levels,) = case.inputs((48, 32))
    with torch.no_grad():
        for a, b in zip(maps(program.module()(levels)), maps(part(levels)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif('seg' not in vars(mmdyup), reason='there is no mmseg')
def test_deeplabs_head_over_a_stride_of_16():
    case = next(c for c in CASES.values() if c.part == 'DyDepthwiseSeparableASPPHead')
    c1, c4 = torch.randn(2, 32, 16, 24), torch.randn(2, 64, 4, 6)
    with pytest.raises(ValueError, match='not 2 times apart.*give the head their ratio'):
        case.build(dict(type='DySample'))((c1, c4))
    head = case.cls(**case.args, scale_factor=4, upsample_cfg=dict(type='DySample'))
    assert head((c1, c4)).shape == (2, 3, 16, 24)


@pytest.mark.skipif('seg' not in vars(mmdyup), reason='there is no mmseg')
def test_scales_that_are_no_integers_stay_the_parents():
    case = next(c for c in CASES.values() if c.part == 'DyMultiLevelNeck')
    args = case.args | dict(scales=[4, 1.5, 2, 0.5])
    with pytest.warns(UserWarning, match=r'leaves the scales \[1.5\] to its parent'):
        neck = case.cls(**args, upsample_cfg=dict(type='DySample'))
    assert [m.scale_factor for m in upsamplers(neck)] == [4, 2]
    outs = neck(*case.inputs((8, 12)))
    assert [tuple(x.shape[-2:]) for x in outs] == [(32, 48), (12, 18), (16, 24), (4, 6)]


@pytest.mark.skipif('seg' not in vars(mmdyup), reason='there is no mmseg')
def test_icnets_rounded_sizes_stay_the_parents():
    case = next(c for c in CASES.values() if c.part == 'DyICNeck')
    neck = case.build(dict(type='DySample'))
    inputs = tuple(torch.randn(2, c, n, n) for c, n in zip((32, 64, 32), (16, 9, 4), strict=True))
    with pytest.warns(UserWarning, match='DyICNeck interpolates as it did.*not 2 times apart'):
        assert [x.shape[-1] for x in neck(inputs)] == [9, 16, 16]
