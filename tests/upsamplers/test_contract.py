"""What holds for every upsampler alike: a class of tests for each."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleList

from mmdyup import Upsampler, build_upsampler, list_upsamplers
from mmdyup.testing import UpsamplerContract
from mmdyup.upsamplers import check_input

CHANNELS = UpsamplerContract.channels
LISTED = list_upsamplers()
# what no published variant has
OTHERS = {
    'dysample_options': dict(
        type='DySample', learnable_scope=True, content_encoder=True, gate=True
    ),
    'dlu_groups': dict(type='DLU', compressed_channels=8, up_group=2, up_kernel=3),
    'carafe_groups': dict(type='CARAFE', compressed_channels=8, up_group=2, up_kernel=3),
    'fade_guide': dict(
        type='FADE', compressed_channels=8, gate=False, guide_channels=6, up_kernel=3
    ),
    'indexnet_guide': dict(type='IndexNet', guide_channels=6),
    'a2u_guide': dict(type='A2U', guide_channels=64, up_kernel=5),
    'freqfusion_guide': dict(
        type='FreqFusion', guide_channels=96, up_kernel=3, groups=2, similarity_alone=True
    ),
    'sapa_guide': dict(type='SAPA', embed_channels=8, guide_channels=64, up_kernel=3),
    'sapa_g_guide': dict(type='SAPAG', embed_channels=8, guide_channels=64, up_kernel=3),
    'frfu_groups': dict(type='FRFU', groups=1, up_kernel=5),
    'sapa_d_guide': dict(type='SAPAD', embed_channels=3, guide_channels=6, groups=2, points=4),
    'lda_aqu_groups': dict(
        type='LDAAQU', groups=4, reduction_factor=2, up_kernel=5, range_factor=2
    ),
}
# the graph of each is made of what another's is made of, whose export stands for it
EXPORTED_LIKE_ANOTHER = {
    *('dysample_plus', 'dysample_s', 'carafe', 'fade_lite', 'frfu', 'lda_aqu', 'indexnet_guide'),
    *('a2u_guide', 'freqfusion_guide', 'sapa_guide', 'sapa_g_guide', 'sapa_d_guide'),
}
PLAIN = {name: dict(type=name) for name in ('nearest', 'bilinear', 'deconv', 'pixel_shuffle')}


class Ours(UpsamplerContract):
    def reference(self, upsampler, x, guide):
        plain = copy.deepcopy(upsampler)
        plain.backend = 'reference'
        return plain(x, guide)

    def test_the_backend_is_asked(self):
        upsampler = build_upsampler(dict(self.cfg, backend='slide rule'), CHANNELS)
        with pytest.raises(ValueError, match="backend must be one of .* it is 'slide rule'"):
            upsampler(*self.inputs(upsampler, 1, 2, 3))


class Plain(UpsamplerContract):
    # mmcv's registry has its own layers under these names; test_plain.py says what they compute
    test_is_an_mmcv_upsample_layer = test_equals_its_reference = None


for base, cfgs in [(Ours, LISTED | OTHERS), (Plain, PLAIN)]:
    for name, cfg in cfgs.items():
        body = dict(cfg=cfg)
        if name in EXPORTED_LIKE_ANOTHER:
            body['test_exports_for_any_size'] = None
        name = 'Test' + name.title().replace('_', '')
        globals()[name] = type(name, (base,), body)


class Convolved(Upsampler):
    """Of PyTorch's operators alone, as somebody's own may be."""

    def __init__(self, in_channels, scale_factor=2):
        super().__init__(in_channels, scale_factor)
        self.conv = torch.nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.reset_parameters()

    def reset_parameters(self):
        torch.nn.init.dirac_(self.conv.weight)
        torch.nn.init.zeros_(self.conv.bias)

    def forward(self, x, guide=None):
        check_input(self, 'x', x, self.in_channels)
        return self.conv(F.interpolate(x, scale_factor=self.scale_factor))


class TestConvolved(UpsamplerContract):
    cfg = dict(type=Convolved)
    test_equals_its_reference = None


@pytest.mark.parametrize('width', [128, 1024, 4096])
def test_autocast_keeps_positions(width):
    upsampler = build_upsampler(dict(type='DySample'), 8)
    torch.nn.init.zeros_(upsampler.offset.weight)
    x = torch.randn(1, 8, 2, width, dtype=torch.bfloat16)
    with torch.autocast('cpu', torch.bfloat16):
        y = upsampler(x)
    expected = F.interpolate(x.double(), scale_factor=2, mode='bilinear', align_corners=False)
    torch.testing.assert_close(y.double(), expected, rtol=2**-8, atol=2e-3)


START = {
    'offset.weight': 0.001,
    'scope.weight': 0.0,
    'content_encoder.weight': 0.001,
    'kernel_space_generator.weight': 0.001,
    'conv_offset.weight': 0.0,
    'q.weight': 0.02,
    'qx.weight': 0.02,
    'qy.weight': 0.02,
    'k.weight': 0.02,
    'norm_x.weight': 0.0,
    'offset_mask.weight': 0.001,
    'sample_kernel.weight': 0.0,
    'proj_q.weight': (2 / (256 + 64)) ** 0.5,
    'conv_offset.3.weight': 0.0,
    'relative_position_bias_table': 0.02,
    'ker_generator.compressor_de.weight': (2 / (256 + 64)) ** 0.5,
    'indexnet.0.weight': (2 / (16 * (256 + 512))) ** 0.5,
    'kernel_gen.bconv_UP.1.weight': (2 / (256 + 36)) ** 0.5,
    'dysampler.offset.weight': 0.001,
    'dysampler.direct_scale.weight': 0.0,
    'ker_generator.content_encoder.weight': (2 / (9 * (64 + 25))) ** 0.5,
}
# where names mean something else
OWN_START = {'frfu': {'offset.weight': 0.0}, 'sapa_d': {'offset.weight': 0.02}}


class Parent(BaseModule):
    def __init__(self, cfg):
        super().__init__(init_cfg=dict(type='Normal', layer='Conv2d', std=1, bias=1))
        self.upsamplers = ModuleList([build_upsampler(cfg, 256)])


@pytest.mark.parametrize('name', [name for name in LISTED if name != 'fade_lite'])
def test_the_start_is_the_papers_under_a_parents_init(name):
    parent = Parent(LISTED[name])
    parent.init_weights()
    own = dict(parent.upsamplers[0].named_parameters())
    start = START | OWN_START.get(name, {})
    checked = [name for name in start if name in own]
    assert checked
    for name in checked:
        torch.testing.assert_close(own[name].std().item(), start[name], rtol=0.1, atol=1e-9)
        bias = own.get(name.replace('weight', 'bias')) if 'weight' in name else None
        assert bias is None or not bias.any()
