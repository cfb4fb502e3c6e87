"""Whatever is public, called with one argument drawn wrong: one sentence, or a right result."""

import inspect
import traceback
from pathlib import Path

import pytest
import torch

import mmdyup
from mmdyup import blocks, ops, pyramid
from mmdyup.ops.backends import usable_backends
from mmdyup.testing import HALVES
from mmdyup.upsamplers.build import find_upsampler
from mmdyup.upsamplers.plain import PLAIN

hypothesis = pytest.importorskip('hypothesis')
from hypothesis import strategies as st  # noqa: E402

PACKAGE = Path(mmdyup.__file__).parent
C, H, W, S = 8, 3, 4, 2
# of what is normalized in 32 groups
WIDE = 32


def maps(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def of_ops():
    """The right arguments of every public operator, and the shape of what it makes."""
    x, large = maps(2, C, H, W), (2, C, S * H, S * W)
    return {
        ops.point_sample: (
            dict(
                x=x,
                offsets=maps(2, 2 * 4 * S * S, H, W),
                scale_factor=S,
                groups=4,
                scale=0.5,
                start=maps(1, 2 * 4 * S * S, 1, 1),
                memory_format=None,
            ),
            large,
        ),
        ops.expand_kernels: (
            dict(kernels=maps(2, 18, H, W), offsets=maps(2, 4, S * H, S * W), groups=2),
            (2, 18, S * H, S * W),
        ),
        ops.carafe: (
            dict(
                x=x,
                kernels=maps(2, 18, S * H, S * W),
                groups=2,
                scale_factor=S,
                softmax=True,
                memory_format=None,
            ),
            large,
        ),
        ops.neighborhood_scores: (
            dict(query=maps(*large), key=x, kernel_size=3, scale_factor=S),
            (2, 9, S * H, S * W),
        ),
        ops.expand_and_reassemble: (
            dict(x=x, kernels=maps(2, 18, H, W), offsets=maps(2, 4, S * H, S * W), groups=2),
            large,
        ),
        ops.attend: (
            dict(
                query=maps(2, 4, S * H, S * W),
                key=maps(2, 4, H, W),
                value=x,
                heads=1,
                groups=2,
                positions=maps(2, 2 * 2 * 3, S * H, S * W),
                bias=maps(2, 3, S * H, S * W),
            ),
            large,
        ),
    }


def of_upsamplers():
    """Every published upsampler and plain layer, by what builds it."""
    named = {**mmdyup.list_upsamplers(), **{name: dict(type=name) for name in PLAIN}}
    named.pop('carafe', None)
    found = {}
    for name, cfg in (*named.items(), ('carafe', dict(type='CARAFE'))):
        cls, own = find_upsampler(cfg)
        defaults = {
            key: parameter.default
            for key, parameter in inspect.signature(cls).parameters.items()
            if parameter.kind == parameter.POSITIONAL_OR_KEYWORD and key != 'in_channels'
        }
        arguments = dict(in_channels=WIDE, scale_factor=S) | defaults | own
        arguments.pop('init_cfg', None)
        found[name] = cls, arguments
    return found


def export_for(runtime):
    with ops.exported_for(runtime):
        pass


def calls():
    """What is called, by a name: (function, right arguments, shape of the result or None)."""
    found = {}
    assert {function.__name__ for function in of_ops()} == {*ops.__all__} - {'exported_for'}
    found['exported_for'] = export_for, dict(runtime='onnxruntime'), None
    for function, (arguments, shape) in of_ops().items():
        for backend in ('auto', *usable_backends(function.__name__)):
            found[f'{function.__name__}, {backend}'] = (
                function,
                dict(arguments, backend=backend),
                shape,
            )
    for name, (cls, arguments) in of_upsamplers().items():
        found[f'making {name}'] = cls, arguments, None
        upsampler = cls(**arguments).eval()
        x, guide = maps(2, WIDE, H, W), maps(2, WIDE, S * H, S * W)
        shape = guide.shape
        own = dict(x=x, guide=guide) if cls.guided else dict(x=x)
        found[name] = upsampler, own, shape
        found[f'{name} meets'] = upsampler.meet, dict(x=x, fine=guide[..., 1:]), None
    cfg = dict(type='CARAFE', up_kernel=3)
    found['build_upsampler'] = (
        mmdyup.build_upsampler,
        dict(cfg=cfg, in_channels=C, scale_factor=S, guide_channels=C),
        None,
    )
    found['effective_upsample_cfg'] = (
        pyramid.effective_upsample_cfg,
        dict(cfg=cfg, default=dict(type='nearest')),
        None,
    )
    levels = [maps(2, C, 2 * H, 2 * W), maps(2, C, H, W)]
    top_down = pyramid.build_top_down(cfg, C, 2)
    found['build_top_down'] = (
        pyramid.build_top_down,
        dict(upsample_cfg=cfg, channels=C, num_levels=2),
        None,
    )
    found['build_steps'] = (
        pyramid.build_steps,
        dict(upsample_cfg=cfg, channels=C, guide_channels=[C, C]),
        None,
    )
    found['merge_top_down'] = (
        lambda fine, coarse: pyramid.merge_top_down([fine, coarse], top_down)[0],
        dict(fine=levels[0], coarse=levels[1]),
        levels[0].shape,
    )
    steps = pyramid.build_steps(cfg, C, [C, C])
    found['upsample_to_finest'] = (
        lambda fine, coarse: pyramid.upsample_to_finest([fine, coarse], steps)[1],
        dict(fine=levels[0], coarse=levels[1]),
        levels[0].shape,
    )
    found['check_pyramid'] = (
        lambda fine, coarse: pyramid.check_pyramid([fine, coarse]),
        dict(fine=levels[0], coarse=levels[1]),
        None,
    )
    layers = dict(
        SPDConv=dict(c1=C, c2=16, k=3, s=2),
        SPDConvLite=dict(c1=C, c2=16, k=3, s=2, ratio=0.5, groups=16),
        HybridDown=dict(c1=C, c2=16, k=3, s=2, ratio=0.25),
        EMA=dict(in_channels=C, groups=4),
        MSCA=dict(in_channels=C, reduction=2, shuffle=True),
    )
    assert set(layers) == set(blocks.__all__)
    for name, arguments in layers.items():
        cls = getattr(blocks, name)
        shape = (2, C, H, W) if 'in_channels' in arguments else (2, 16, 2, 2)
        found[f'making {name}'] = cls, arguments, None
        found[name] = cls(**arguments).eval(), dict(x=maps(2, C, H, W)), shape
    return found


CALLS = calls()
NOT_TENSORS = [None, 1.5, 'x', [[1.0]], (), {}]
NOT_NUMBERS = [None, '2', 2.5, True, [2], float('nan'), -1, 0, 1, 3, 7, torch.ones(2)]


def wrong_tensors(x):
    """What is like the tensor ``x`` but in one way."""
    kinds = [
        x[0],
        x[None],
        x.flatten(),
        x.sum(),
        x.int(),
        x.bool(),
        x.to(torch.complex64),
        *(x.to(dtype) for dtype in HALVES),
        x.double(),
        x.to('meta'),
        torch.full_like(x, torch.nan),
        torch.full_like(x, torch.inf),
        x.to_sparse(),
        x.clone().requires_grad_(),
        x.expand_as(x).flip(-1),
        x.to(memory_format=torch.channels_last),
    ]
    for dim in range(x.dim()):
        kinds += [
            x.narrow(dim, 0, 0),
            x.narrow(dim, 0, 1),
            torch.cat([x, x.narrow(dim, 0, 1)], dim),
        ]
    return kinds


def wrong(value):
    """Values that may be wrong where ``value`` is right."""
    if isinstance(value, torch.Tensor):
        return [*NOT_TENSORS, *wrong_tensors(value)]
    if isinstance(value, bool):
        return [None, 'yes', 2, not value]
    if isinstance(value, (int, float)):
        return NOT_NUMBERS
    if isinstance(value, str):
        return ['nothing', '', 5, None, *usable_backends('carafe')]
    if isinstance(value, dict):
        return [
            None,
            'CARAFE',
            {},
            dict(type='None'),
            dict(type=5),
            dict(value, more=1),
            dict(value, up_kernel=4),
            dict(value, up_kernel='5'),
        ]
    if isinstance(value, list):
        return [None, [], [C], [C, 0], [C, 'x'], 5]
    return [None, 5, 'x', -1, 2.5, [1]]


def is_a_sentence(error):
    """Whether an error is one of ours: of these types, raised here, a sentence, one line."""
    text = str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return (
        isinstance(error, (TypeError, ValueError, NotImplementedError, ImportError))
        and PACKAGE in Path(last.filename).parents
        and text.endswith('.')
        and '\n' not in text
        and len(text) < 600
    )


def check(name, wrong_argument, value):
    function, arguments, shape = CALLS[name]
    arguments = arguments | {wrong_argument: value}
    try:
        result = function(**arguments)
    except Exception as error:
        assert is_a_sentence(error), f'{type(error).__name__}: {error}'
        return
    if not isinstance(result, torch.Tensor):
        return
    x = arguments.get('x', arguments.get('query', arguments.get('kernels')))
    given = [each for each in arguments.values() if isinstance(each, torch.Tensor)]
    assert result.dim() == 4
    if isinstance(x, torch.Tensor):
        assert result.shape[0] == x.shape[0] and result.device == x.device
    if isinstance(value, torch.Tensor) and shape and all(each.shape[0] == 2 for each in given):
        right = CALLS[name][1][wrong_argument]
        if value.shape == right.shape:
            assert result.shape == shape


@pytest.mark.slow
@hypothesis.settings(
    max_examples=2000,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(st.data())
@pytest.mark.filterwarnings('ignore')
def test_one_wrong_argument(data):
    name = data.draw(st.sampled_from(sorted(CALLS)))
    argument = data.draw(st.sampled_from(sorted(CALLS[name][1])))
    values = wrong(CALLS[name][1][argument])
    check(name, argument, values[data.draw(st.integers(0, len(values) - 1))])
