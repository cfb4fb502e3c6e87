"""What holds for every part of a kind, as classes of tests to inherit; needs pytest.

``pytest.register_assert_rewrite('mmdyup.testing')`` in a conftest.py has failures tell more.
"""

import copy
import io
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.func import functional_call

from .ops.backends import GRAPHS_HOLD_OPERATORS
from .upsamplers import Upsampler, build_upsampler, find_upsampler


def _convolves(dtype: torch.dtype) -> bool:
    x = torch.ones(1, 1, 1, 1, dtype=dtype)
    try:
        torch.nn.functional.conv2d(x, x)
    except RuntimeError:  # PyTorch 2.1 on a CPU
        return False
    return True


#: 'cuda' is there where a GPU is: a test that cannot run should not exist.
DEVICES = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]
HALVES = [dtype for dtype in (torch.float16, torch.bfloat16) if _convolves(dtype)]

needs_operators_in_graphs = pytest.mark.skipif(
    not GRAPHS_HOLD_OPERATORS, reason='PyTorch before 2.4 breaks graphs at operators'
)
needs_opcheck = pytest.mark.skipif(
    not hasattr(torch.library, 'opcheck'), reason='PyTorch before 2.4 has no torch.library.opcheck'
)
needs_export_for_any_size = pytest.mark.skipif(
    not hasattr(getattr(getattr(torch, 'export', None), 'Dim', None), 'AUTO'),
    reason='PyTorch before 2.6 does not find out which sizes may vary',
)


def each(convert, *tensors: Tensor | None) -> list[Tensor | None]:
    """``convert`` of every tensor, and None where there is none."""
    return [None if tensor is None else convert(tensor) for tensor in tensors]


class UpsamplerContract:
    """What holds for every upsampler.

    A subclass names the upsampler::

        from mmdyup.testing import UpsamplerContract

        class TestMyUpsampler(UpsamplerContract):
            cfg = dict(type='MyUpsampler', kernel_size=3)
            channels = 16

    and ``pytest`` then runs some thirty tests. Those that compile or export are marked ``slow``, a
    marker to be named in the project's pytest options. A test that does not apply is set to None.

    Attributes:
        cfg: As for :func:`mmdyup.build_upsampler`; its ``type`` may be a class.
        channels: Channels C of the feature.
    """

    cfg: dict
    channels = 32

    def reference(self, upsampler: Upsampler, x: Tensor, guide: Tensor | None) -> Tensor | None:
        """What ``upsampler(x, guide)`` should be, computed in the plainest way, if there is one."""

    def build(self, scale_factor: int = 2) -> Upsampler:
        return build_upsampler(self.cfg, self.channels, scale_factor)

    def stirred(self, scale_factor: int = 2) -> Upsampler:
        """Built, with weights away from the start, where offsets and kernels hardly vary."""
        upsampler = self.build(scale_factor)
        for parameter in upsampler.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        return upsampler

    def inputs(
        self, upsampler: Upsampler, n: int, h: int, w: int, **options
    ) -> tuple[Tensor, Tensor | None]:
        """A feature, and a guide where the upsampler wants one, else None."""
        x = torch.randn(n, self.channels, h, w, **options)
        if not upsampler.guided:
            return x, None
        s = upsampler.scale_factor
        return x, torch.randn(n, upsampler.guide_channels, s * h, s * w, **options)

    def levels(
        self, upsampler: Upsampler, n: int, coarse: tuple[int, int], fine: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """A level and the next finer one."""
        channels = upsampler.guide_channels if upsampler.guided else self.channels
        return torch.randn(n, self.channels, *coarse), torch.randn(n, channels, *fine)

    @pytest.fixture(autouse=True)
    def same_draws(self):
        torch.manual_seed(0)

    @pytest.mark.parametrize('device', DEVICES)
    @pytest.mark.parametrize(
        ('size', 'scale_factor'),
        [((2, 5, 7), 1), ((2, 5, 7), 2), ((2, 5, 7), 4), ((1, 1, 1), 2), ((0, 3, 3), 2)],
        ids=str,
    )
    def test_shape_and_gradient(self, size, scale_factor, device):
        upsampler = self.build(scale_factor).to(device)
        n, h, w = size
        x, guide = self.inputs(upsampler, *size, device=device, requires_grad=True)
        y = upsampler(x, guide)
        assert y.shape == (n, self.channels, scale_factor * h, scale_factor * w)
        y.square().sum().backward()
        assert x.grad.isfinite().all()
        assert guide is None or guide.grad.isfinite().all()
        for name, parameter in upsampler.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name

    @pytest.mark.parametrize('scale_factor', [2, 4])
    def test_equals_its_reference(self, scale_factor):
        upsampler = self.stirred(scale_factor).double()
        maps = each(Tensor.double, *self.inputs(upsampler, 2, 3, 2))
        expected = self.reference(upsampler, *maps)
        if expected is None:
            pytest.skip('there is no reference')
        torch.testing.assert_close(upsampler(*maps), expected)

    def test_gradients_are_those_of_the_function(self):
        upsampler = self.stirred().double()
        parameters = dict(upsampler.named_parameters())
        maps = each(Tensor.double, *self.inputs(upsampler, 1, 2, 3))

        def run(x, guide, *values):
            return functional_call(
                upsampler, dict(zip(parameters, values, strict=True)), (x, guide)
            )

        inputs = (*each(Tensor.requires_grad_, *maps), *parameters.values())
        assert gradcheck(run, inputs, fast_mode=True)

    def test_memory_format_is_the_callers(self):
        upsampler = self.stirred()
        x, guide = self.inputs(upsampler, 2, 5, 6)
        last = each(lambda z: z.to(memory_format=torch.channels_last), x, guide)
        for mixed in [(x, guide), (x, last[1]), (last[0], guide), last]:
            y = upsampler(*mixed)
            assert y.is_contiguous(memory_format=torch.channels_last) == (mixed[0] is last[0])
            torch.testing.assert_close(y, upsampler(x, guide), rtol=1e-4, atol=1e-5)

    def test_what_can_be_looked_at(self):
        upsampler = self.stirred()
        maps = [z for z in self.inputs(upsampler, 2, 3, 5) if z is not None]
        fine = tuple(upsampler.scale_factor * n for n in (3, 5))
        if hasattr(upsampler, 'points'):
            points = upsampler.points(*maps)
            n, groups, count, *pair_and_size = points.shape
            assert n == 2 and pair_and_size == [2, *fine] and points.isfinite().all()
            moved = points - upsampler.start_points(maps[0])
            assert moved.shape == points.shape
            if hasattr(upsampler, 'scopes'):
                assert upsampler.scopes(*maps).shape == points.shape
            if hasattr(upsampler, 'weights'):
                weights = upsampler.weights(*maps)
                assert weights.shape[2:] == (count, *fine) and groups % weights.shape[1] == 0
                torch.testing.assert_close(weights.sum(2), torch.ones_like(weights[:, :, 0]))
        if hasattr(upsampler, 'kernels'):
            kernels = upsampler.kernels(*maps)
            assert kernels.shape[::2] == (2, fine[0]) and kernels.shape[3] == fine[1]
        gates = upsampler.gates(*maps) if hasattr(upsampler, 'gates') else None
        if gates is not None:
            assert gates.shape in ((2, 1, 3, 5), (2, 1, *fine))
            assert gates.min() >= 0 and gates.max() <= 1

    @pytest.mark.parametrize('dtype', HALVES, ids=str)
    def test_half_precision_is_the_float32_result_rounded(self, dtype):
        upsampler = self.build().to(dtype)
        maps = each(lambda z: z.to(dtype), *self.inputs(upsampler, 1, 3, 40))
        expected = copy.deepcopy(upsampler).float()(*each(Tensor.float, *maps))
        y = upsampler(*maps)
        assert y.dtype == dtype
        eps = 8 * torch.finfo(dtype).eps
        torch.testing.assert_close(y.float(), expected, rtol=eps, atol=eps)

    @pytest.mark.parametrize('device', DEVICES)
    def test_autocast_reaches_every_parameter(self, device):
        upsampler = self.stirred().to(device)
        maps = self.inputs(upsampler, 1, 4, 6, device=device, requires_grad=True)
        with torch.autocast(device, torch.bfloat16):
            y = upsampler(*maps)
            y.float().square().sum().backward()
        assert y.shape == (1, self.channels, 8, 12)
        for name, parameter in upsampler.named_parameters():
            assert parameter.grad.isfinite().all() and parameter.grad.any(), name

    @needs_operators_in_graphs
    @pytest.mark.slow
    def test_compiles_into_one_graph(self):
        torch.compiler.reset()
        upsampler = self.stirred()
        maps = self.inputs(upsampler, 2, 5, 4)
        compiled = torch.compile(upsampler, fullgraph=True, backend='aot_eager')
        torch.testing.assert_close(compiled(*maps), upsampler(*maps), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ('n', 'coarse', 'fine'),
        # twice the size; rounded up, down, or each in one direction; the smallest; no picture
        [
            (2, (3, 4), (6, 8)),
            (2, (3, 4), (5, 7)),
            (2, (3, 4), (7, 9)),
            (2, (3, 4), (5, 9)),
            (2, (1, 1), (3, 1)),
            (0, (3, 4), (5, 7)),
        ],
        ids=str,
    )
    def test_meets_a_finer_level(self, n, coarse, fine):
        upsampler = self.stirred()
        x, fine = (z.requires_grad_() for z in self.levels(upsampler, n, coarse, fine))
        y, merged = upsampler.meet(x, fine)
        assert y.shape == (n, self.channels, *fine.shape[-2:])
        assert merged.shape == fine.shape
        (y.sum() + merged.sum()).backward()
        assert x.grad.isfinite().all() and fine.grad.isfinite().all()

    @needs_export_for_any_size
    @pytest.mark.slow
    def test_exports_for_any_size(self):
        """Between levels, the general case: where the finer one fits, that is ``forward`` alone."""
        meeting = Meeting(self.stirred().eval())
        sizes = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
        maps = self.levels(meeting.upsampler, 2, (3, 4), (5, 8))
        program = torch.export.export(meeting, maps, dynamic_shapes=(sizes, sizes))
        for coarse, fine in [((3, 4), (5, 8)), ((4, 3), (8, 6)), ((5, 4), (11, 7))]:
            maps = self.levels(meeting.upsampler, 3, coarse, fine)
            torch.testing.assert_close(program.module()(*maps), meeting(*maps))

    def test_levels_that_are_not_s_times_apart(self):
        upsampler = self.build()
        maps = self.levels(upsampler, 1, (5, 5), (5, 5))
        with pytest.raises(ValueError, match=r'levels \(5, 5\) and \(5, 5\) are not 2 times apart'):
            upsampler.meet(*maps)

    def test_a_map_of_three_dimensions_is_refused(self):
        upsampler = self.build()
        maps = each(lambda z: z[0], *self.inputs(upsampler, 1, 3, 4))
        expected = rf'x must have the shape \(N, C, H, W\), but it is \({self.channels}, 3, 4\)'
        with pytest.raises(ValueError, match=expected):
            upsampler(*maps)

    def test_recorders_that_cannot_look_into_it_are_told(self):
        upsampler = self.build()
        maps = self.inputs(upsampler, 1, 3, 4)
        with pytest.raises(TypeError, match='torch.fx cannot look into mmdyup; take torch.export'):
            torch.fx.symbolic_trace(upsampler)
        with pytest.raises(NotImplementedError, match='cannot be scripted: take torch.jit.trace'):
            torch.jit.script(torch.nn.Sequential(upsampler))

        class Whole(torch.fx.Tracer):
            def is_leaf_module(self, module, name):
                return isinstance(module, Upsampler)

        class Holder(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.upsampler = upsampler

            def forward(self, x, guide):
                return self.upsampler(x, guide)

        traced = torch.fx.GraphModule(Holder(), Whole().trace(Holder()))
        assert torch.equal(traced(*maps), upsampler(*maps))

    def test_a_guide_is_asked_for_or_ignored(self):
        upsampler = self.build()
        x, guide = self.inputs(upsampler, 2, 3, 4)
        if not upsampler.guided:
            y = upsampler(x, torch.randn(2, 1, 6, 8))
            return torch.testing.assert_close(y, upsampler(x))
        with pytest.raises(ValueError, match='needs the finer feature as its guide'):
            upsampler(x)
        for wrong in [guide[..., :7], guide[:1], guide[:, 1:]]:
            with pytest.raises(ValueError, match='guide must have the shape'):
                upsampler(x, wrong)

    def test_an_unknown_argument_is_named_with_the_known(self):
        cls, own = find_upsampler(self.cfg)
        known = f"{cls.__name__} takes no argument 'scale'; it takes in_channels, scale_factor"
        with pytest.raises(TypeError, match=f'^{known}'):
            cls(self.channels, scale=2, **own)
        with pytest.raises(ValueError, match=f'does not fit its type: {known}'):
            build_upsampler(dict(self.cfg, scale=2), self.channels)

    def test_a_state_brings_its_result_along(self):
        upsampler, other = self.stirred(), self.build()
        file = io.BytesIO()
        torch.save(upsampler.state_dict(), file)
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True), strict=True)
        maps = self.inputs(upsampler, 1, 3, 4)
        assert torch.equal(other(*maps), upsampler(*maps))

    @pytest.mark.parametrize(
        'copied', [copy.deepcopy, lambda z: pickle.loads(pickle.dumps(z))], ids=['copy', 'pickle']
    )
    def test_a_copy_is_the_same_and_its_own(self, copied):
        upsampler = self.stirred()
        maps = self.inputs(upsampler, 1, 3, 4)
        expected = upsampler(*maps)
        other = copied(upsampler)
        for parameter in upsampler.parameters():
            torch.nn.init.zeros_(parameter)
        assert torch.equal(other(*maps), expected)

    def test_the_start_is_made_of_nothing(self):
        with torch.device('meta'):
            hollow = self.build()
        hollow.to_empty(device='cpu')
        upsampler = self.build()
        for tensor in hollow.state_dict().values():
            tensor.fill_(torch.nan if tensor.is_floating_point() else -1)
        for each_of_them in (hollow, upsampler):
            torch.manual_seed(1)
            each_of_them.reset_parameters()
        torch.testing.assert_close(hollow.state_dict(), upsampler.state_dict(), rtol=0, atol=0)

    def test_the_start_survives_a_parents_init(self):
        model = pytest.importorskip('mmengine.model')
        upsampler = self.build()
        # draws nothing itself
        parents = dict(
            type='Constant', layer=['Conv2d', 'ConvTranspose2d', 'GroupNorm'], val=3, bias=3
        )
        parent = model.Sequential(copy.deepcopy(upsampler), init_cfg=parents)
        torch.manual_seed(1)
        parent.init_weights()
        torch.manual_seed(1)
        upsampler.init_weights()
        torch.testing.assert_close(parent[0].state_dict(), upsampler.state_dict(), rtol=0, atol=0)

    def test_is_an_mmcv_upsample_layer(self):
        mmcv = pytest.importorskip('mmcv.cnn')
        layer = mmcv.build_upsample_layer(dict(self.cfg, in_channels=self.channels, scale_factor=2))
        assert layer(*self.inputs(layer, 1, 2, 3)).shape == (1, self.channels, 4, 6)


class Meeting(torch.nn.Module):
    """An upsampler's ``meet`` as a module, which exporters want."""

    def __init__(self, upsampler: Upsampler) -> None:
        super().__init__()
        self.upsampler = upsampler

    def forward(self, x: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        return self.upsampler.meet(x, fine)


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
            of what is upsampled, must suit the upsamplers named below.
        upsamplers: Channels and ratio of each upsampler, in the order of the part's ``modules()``.
        is_head: Whether it gives one map, of the finest level's size, or one for each level.
        plain: The parent's own interpolation.
        unguided, guided: An upsampler of either kind.
        changing: One that is guided and changes the finer level.
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
    changing = dict(type='FreqFusion')

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
    @pytest.mark.parametrize('kind', ['unguided', 'guided', 'changing'])
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
