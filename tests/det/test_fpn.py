"""DyFPN, DyPAFPN and DyFPNCARAFE."""

import pytest
import torch

pytest.importorskip('mmdet')
from mmdet.models.necks import FPN, FPN_CARAFE, PAFPN  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from mmengine.runner.checkpoint import load_state_dict  # noqa: E402

from mmdyup.det import DyFPN, DyFPNCARAFE, DyPAFPN  # noqa: E402
from mmdyup.testing import NeckContract  # noqa: E402


class OfFourLevels(NeckContract):
    args = dict(in_channels=[8, 16, 32, 64], out_channels=32, num_outs=5)
    in_channels = [8, 16, 32, 64]
    upsamplers = [(32, 2)] * 3

    def assert_nearest_is_the_parent(self, options, size, rounding='up'):
        args = self.args | options
        ours = self.build(dict(type='nearest'), **options)
        self.assert_same(ours, self.parent(**args), self.levels(size, rounding))

    def test_another_number_of_levels(self):
        with pytest.raises(ValueError, match='4 levels are expected, but 3 are given'):
            self.build()(self.levels((16, 16))[:3])


class TestDyFPN(OfFourLevels):
    part, parent = DyFPN, FPN

    @pytest.mark.parametrize(
        ('options', 'size'),
        [
            (dict(num_outs=4), (50, 38)),
            (dict(num_outs=6), (37, 61)),
            (dict(num_outs=3, start_level=1), (32, 1)),
            (dict(num_outs=2, start_level=1, end_level=2), (37, 61)),
            (dict(num_outs=5, start_level=1, add_extra_convs='on_input'), (64, 64)),
            (dict(num_outs=6, add_extra_convs=True), (37, 61)),
            (
                dict(num_outs=6, add_extra_convs='on_lateral', relu_before_extra_convs=True),
                (37, 61),
            ),
            (
                dict(num_outs=6, add_extra_convs='on_output', relu_before_extra_convs=True),
                (50, 38),
            ),
            (dict(norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU')), (37, 61)),
        ],
        ids=str,
    )
    def test_nearest_is_the_parent_with(self, options, size):
        self.assert_nearest_is_the_parent(options, size)


class TestDyPAFPN(TestDyFPN):
    part, parent = DyPAFPN, PAFPN


def test_nearest_is_fpn_where_levels_were_rounded_down():
    TestDyFPN().assert_nearest_is_the_parent(dict(), (45, 59), 'down')


class TestDyFPNCARAFE(OfFourLevels):
    part = DyFPNCARAFE
    upsamplers = [(32, 2)] * 4

    @staticmethod
    def parent(**args):
        return FPN_CARAFE(**args, upsample_cfg=dict(type='nearest'))

    @pytest.mark.parametrize(
        ('options', 'size'),
        [
            (dict(num_outs=4), (50, 38)),
            (dict(num_outs=6), (37, 61)),
            (dict(num_outs=4, start_level=1), (32, 1)),
            (dict(num_outs=2, start_level=1, end_level=2), (37, 61)),
            (
                dict(
                    norm_cfg=dict(type='BN'),
                    order=('act', 'conv', 'norm'),
                    act_cfg=dict(type='ReLU'),
                ),
                (50, 38),
            ),
        ],
        ids=str,
    )
    def test_nearest_is_the_parent_with(self, options, size):
        self.assert_nearest_is_the_parent(options, size)


class TestStatesOfFPNCARAFE:
    ARGS = dict(in_channels=[8, 16], out_channels=8, num_outs=3)
    CARAFE = dict(
        up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1, compressed_channels=4
    )

    def levels(self):
        return tuple(torch.randn(2, c, n, n) for c, n in ((8, 9), (16, 5)))

    @pytest.mark.parametrize('type', ['carafe', 'CARAFE'])
    def test_mmdets_carafe_loads_into_both_of_ours(self, type):
        state = FPN_CARAFE(**self.ARGS, upsample_cfg=dict(self.CARAFE, type='carafe')).state_dict()
        ours = DyFPNCARAFE(**self.ARGS, upsample_cfg=dict(self.CARAFE, type=type))
        ours.load_state_dict(state, strict=True)
        loaded = {key.replace('layer.', ''): value for key, value in ours.state_dict().items()}
        assert loaded.keys() == state.keys() and len(loaded) == 8 + 12
        assert all(torch.equal(loaded[key], state[key]) for key in state)

    @pytest.mark.parametrize(('type', 'other'), [('carafe', 'CARAFE'), ('CARAFE', 'carafe')])
    def test_ours_load_into_one_another_as_parts_of_a_detector(self, type, other):
        def detector(type):
            neck = DyFPNCARAFE(**self.ARGS, upsample_cfg=dict(self.CARAFE, type=type))
            return torch.nn.ModuleDict(dict(neck=neck))

        state, into = detector(type).state_dict(), detector(other)
        before = dict(state)
        load_state_dict(into, state, strict=True)
        loaded = into.state_dict().values()
        assert all(torch.equal(a, b) for a, b in zip(loaded, before.values(), strict=True))
        assert state.keys() == before.keys()

    @pytest.mark.parametrize('type', ['deconv', 'pixel_shuffle'])
    def test_mmdets_other_upsamplers_give_the_same(self, type):
        parent = FPN_CARAFE(**self.ARGS, upsample_cfg=ConfigDict(type=type, upsample_kernel=3))
        ours = DyFPNCARAFE(**self.ARGS, upsample_cfg=dict(type=type))
        ours.load_state_dict(parent.state_dict(), strict=True)
        levels = self.levels()
        assert all(map(torch.equal, ours(levels), parent(levels)))

    def test_what_is_missing_is_told(self):
        ours = DyFPNCARAFE(**self.ARGS, upsample_cfg=dict(type='CARAFE'))
        state = FPN_CARAFE(**self.ARGS, upsample_cfg=dict(type='nearest')).state_dict()
        with pytest.raises(RuntimeError, match='upsample_modules.0.channel_compressor.weight'):
            ours.load_state_dict(state, strict=True)
