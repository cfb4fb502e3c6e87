"""What holds for every part of a kind, as classes of tests to inherit; needs pytest.

``pytest.register_assert_rewrite('mmdyup.testing')`` in a conftest.py has failures tell more.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .upsamplers import Upsampler

#: 'cuda' is there where a GPU is: a test that cannot run should not exist.
DEVICES = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]


class NeckContract:
    """What holds for every neck and head that takes ``upsample_cfg``.

    A subclass names the part and its parent, and what builds both::

        from mmdyup.testing import NeckContract

        class TestMyFPN(NeckContract):
            part, parent = MyFPN, FPN
            args = dict(in_channels=[32, 64, 32], out_channels=32, num_outs=3)
            in_channels = [32, 64, 32]
            upsamplers = [(32, 2), (32, 2)]

    Attributes:
        part: The class, a :class:`mmdyup.pyramid.DynamicPart`.
        parent: The class that it derives from.
        args: Arguments of both constructors, without ``upsample_cfg``. Nothing in the part may be
            drawn at random when it runs, so ``dropout_ratio`` is 0 where there is one.
        in_channels: Channels of the levels that come in, the finest first. They, and the channels
            of what is upsampled, must suit ``unguided`` and ``guided``.
        upsamplers: Channels and ratio of each upsampler, in the order of the part's ``modules()``.
        is_head: Whether it gives one map, of the finest level's size, or one for each level.
        plain: The parent's own interpolation.
        unguided, guided: An upsampler of either kind.
    """

    part: type[nn.Module]
    parent: type[nn.Module]
    args: dict
    in_channels: list[int]
    upsamplers: list[tuple[int, int]]
    is_head = False
    plain = dict(type='nearest')
    unguided = dict(type='DySample')
    guided = dict(type='SAPA')

    def build(self, upsample_cfg: dict | None = None, **options) -> nn.Module:
        return self.part(**{**self.args, **options}, upsample_cfg=upsample_cfg)

    def levels(self, size: tuple[int, int], rounding: str = 'up') -> tuple[Tensor, ...]:
        """Features of two pictures: the finest of this size, each other half the one before, sizes
        rounded 'up' or 'down'."""
        levels, up = [], int(rounding == 'up')
        for channels in self.in_channels:
            levels.append(torch.randn(2, channels, *size))
            size = tuple((n + up) // 2 for n in size)
        return tuple(levels)

    def outputs(self, part: nn.Module, levels: tuple[Tensor, ...]) -> list[Tensor]:
        """All maps that a part makes."""
        made = part(levels)
        if isinstance(made, Tensor):
            return [made]
        return list(made.values() if isinstance(made, dict) else made)

    def assert_same(self, ours: nn.Module, parent: nn.Module, levels: tuple[Tensor, ...]) -> None:
        """Ours takes the parent's state and gives its output to the last bit."""
        parent.init_weights()
        ours.load_state_dict(parent.state_dict(), strict=True)
        pairs = zip(self.outputs(ours, levels), self.outputs(parent, levels), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)

    @pytest.fixture(autouse=True)
    def same_draws(self):
        torch.manual_seed(0)

    @pytest.mark.parametrize('training', [True, False], ids=['training', 'eval'])
    def test_the_parents_own_interpolation_is_the_parent(self, training):
        ours, parent = self.build(self.plain), self.parent(**self.args)
        self.assert_same(ours.train(training), parent.train(training), self.levels((32, 48)))

    def test_without_a_config_it_is_the_parents_own(self):
        assert self.build().upsample_cfg['type'] == self.plain['type']

    @pytest.mark.parametrize('device', DEVICES)
    @pytest.mark.parametrize('kind', ['unguided', 'guided'])
    @pytest.mark.parametrize('size', [(37, 22), (9, 1)], ids=str)
    def test_any_size_and_a_gradient_everywhere(self, size, kind, device):
        part = self.build(getattr(self, kind)).to(device)
        levels = self.levels(size)
        outs = self.outputs(part, tuple(x.to(device) for x in levels))
        for out, x in zip(outs, levels, strict=False):
            assert out.shape[-2:] == (size if self.is_head else x.shape[-2:])
        sum(out.square().sum() for out in outs).backward()
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name

    @pytest.mark.parametrize('kind', ['unguided', 'guided'])
    def test_its_upsamplers(self, kind):
        found = _upsamplers(self.build(getattr(self, kind)))
        assert [(m.in_channels, m.scale_factor) for m in found] == self.upsamplers

    def test_the_start_survives_a_parents_init(self):
        model = pytest.importorskip('mmengine.model')
        part = self.build(dict(type='DySample'))
        init_cfg = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=1)
        model.Sequential(part, init_cfg=init_cfg).init_weights()
        for upsampler in _upsamplers(part):
            offsets = upsampler.offset
            torch.testing.assert_close(offsets.weight.std().item(), 0.001, rtol=0.2, atol=0)
            assert not offsets.bias.any()

    def test_what_a_meeting_makes_of_the_finer_level_is_merged(self):
        part = self.build(dict(type=_Shifting)).eval()
        levels = self.levels((16, 24))
        expected = self.outputs(part, levels)
        for upsampler in _upsamplers(part):
            upsampler.shift = 1
            assert not all(map(torch.equal, self.outputs(part, levels), expected))
            upsampler.shift = 0

    def test_what_stock_configs_hold_gives_way(self):
        interpolation = dict(mode='nearest', align_corners=False, scale_factor=2)
        carafe = dict(up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1)
        part = self.build(dict(interpolation, **carafe, type='DySample', groups=2))
        assert part.upsample_cfg == dict(type='DySample', groups=2)
        assert {type(m).__name__ for m in _upsamplers(part)} == {'DySample'}
        for mode in ('nearest', 'bilinear'):
            assert self.build(dict(mode=mode)).upsample_cfg['type'] == mode

    @pytest.mark.parametrize(
        ('cfg', 'kind', 'match'),
        [
            ('DySample', TypeError, 'must be a dict'),
            (dict(type='DySampel'), ValueError, "no upsampler 'DySampel'.*DySample"),
            (dict(type='DySample', colour=1), ValueError, 'colour=1, .*DySample.*_delete_=True'),
        ],
        ids=str,
    )
    def test_a_config_that_does_not_fit(self, cfg, kind, match):
        with pytest.raises(kind, match=match):
            self.build(cfg)

    def test_levels_that_are_not_2_times_apart(self):
        *levels, _ = self.levels((16, 16))
        size = tuple(levels[-1].shape[-2:])
        wrong = torch.randn(2, self.in_channels[-1], *size)
        with pytest.raises(ValueError, match=rf'levels \({size[0]}, .* are not 2 times apart'):
            self.build()((*levels, wrong))


class _Shifting(Upsampler):
    """Nearest; adds ``shift`` to the finer level that it meets."""

    shift = 0

    def __init__(self, in_channels: int, scale_factor: int = 2) -> None:
        super().__init__(in_channels, scale_factor)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        return F.interpolate(x, scale_factor=self.scale_factor)

    def meet(self, x: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        x, fine = super().meet(x, fine)
        return x, fine + self.shift


def _upsamplers(part: nn.Module) -> list[Upsampler]:
    return [module for module in part.modules() if isinstance(module, Upsampler)]
