import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmdet')
from mmdet.models.necks import YOLOXPAFPN, CSPNeXtPAFPN  # noqa: E402

from mmdyup.det import DyCSPNeXtPAFPN, DyYOLOXPAFPN  # noqa: E402
from mmdyup.testing import NeckContract  # noqa: E402


class Resize(torch.nn.Module):
    """Stands for the parent's ``nn.Upsample``: nearest, to the given sizes one after another."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = list(sizes)

    def forward(self, x):
        return F.interpolate(x, size=self.sizes.pop(0), mode='nearest')


class TestDyYOLOXPAFPN(NeckContract):
    part, parent = DyYOLOXPAFPN, YOLOXPAFPN
    args = dict(in_channels=[32, 64, 32], out_channels=16, num_csp_blocks=1)
    in_channels = [32, 64, 32]
    upsamplers = [(32, 2), (64, 2)]

    @pytest.mark.parametrize(
        'options',
        [
            dict(num_csp_blocks=2, use_depthwise=True),
            dict(norm_cfg=None, act_cfg=dict(type='ReLU')),
        ],
        ids=str,
    )
    def test_nearest_is_the_parent_with(self, options):
        levels = self.levels((32, 48))
        self.assert_same(self.build(**options), self.parent(**{**self.args, **options}), levels)

    @pytest.mark.parametrize('channels', [[8, 16], [8, 16, 8, 24]], ids=str)
    def test_another_number_of_levels(self, channels):
        options = dict(in_channels=channels)
        levels = [torch.randn(2, c, 32 >> i, 48 >> i) for i, c in enumerate(channels)]
        self.assert_same(
            self.build(**options), self.parent(**{**self.args, **options}), tuple(levels)
        )
        with pytest.raises(ValueError, match='levels are expected, but 1 are given'):
            self.build(**options)(levels[:1])

    @pytest.mark.parametrize('size', [(37, 61), (50, 38), (32, 1)], ids=str)
    def test_other_sizes_are_fitted_to_the_finer_level(self, size):
        levels = self.levels(size)
        expected = self.parent(**self.args)
        expected.upsample = Resize(x.shape[-2:] for x in levels[-2::-1])
        self.assert_same(self.build(), expected, levels)

    def test_the_guide_is_the_finer_level(self, guide_teller):
        levels = self.levels((37, 61))
        ours = self.build(dict(type=guide_teller))
        parent = self.parent(**self.args)
        guides = list(levels[:-1])
        parent.upsample.forward = lambda x: guides.pop()
        self.assert_same(ours, parent, levels)


class TestDyCSPNeXtPAFPN(TestDyYOLOXPAFPN):
    part, parent = DyCSPNeXtPAFPN, CSPNeXtPAFPN
