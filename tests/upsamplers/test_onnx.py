"""Both of PyTorch's exporters write graphs that ONNX Runtime runs at any size."""

from functools import partial
from inspect import signature

import pytest
import torch

from mmdyup import build_upsampler
from mmdyup.ops import exported_for
from mmdyup.testing import needs_export_for_any_size

pytest.importorskip('onnxscript')
onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.slow]


CONFIGS = [
    dict(type='DySample'),
    dict(type='DySample', dyscope=True),
    dict(type='DySample', style='pl', groups=8),
    dict(type='DLU'),
    dict(type='DLU', up_group=2),
    dict(type='CARAFE'),
    dict(type='CARAFE', up_group=2),
    dict(type='FADE'),
    dict(type='SAPA'),
    dict(type='SAPAD'),
    dict(type='SAPAG'),
    dict(type='SAPAI'),
    dict(type='FRFU'),
    dict(type='LDAAQU'),
    dict(type='FreqFusion'),
    dict(type='IndexNet'),
    dict(type='A2U'),
]
# the newer exporter takes its time: what attends; below, what samples and reassembles
DYNAMO = [dict(type='LDAAQU')]
NEWER = partial(pytest.param, marks=needs_export_for_any_size)
BOTH = [*((cfg, False) for cfg in CONFIGS), *(NEWER(cfg, True) for cfg in DYNAMO)]
# PyTorch 2.1 knows one exporter
CHOICE = 'dynamo' in signature(torch.onnx.export).parameters


def check(module, inputs, others, dynamo, path):
    """Whether a graph made of ``inputs``, for any height and width, gives what ``module`` does."""
    names = [f'map_{i}' for i in range(len(inputs))]
    if dynamo:
        size = dict.fromkeys((2, 3), torch.export.Dim.AUTO)
        shapes = dict(dynamic_shapes=tuple(size for _ in names))
    else:
        shapes = dict(dynamic_axes={name: {2: f'{name}_h', 3: f'{name}_w'} for name in names})
    how = dict(dynamo=dynamo, opset_version=20) if CHOICE else dict(opset_version=17)
    torch.onnx.export(module, inputs, str(path), input_names=names, **how, **shapes)
    session = onnxruntime.InferenceSession(str(path))
    for maps in (inputs, *others):
        feed = {name: x.numpy() for name, x in zip(names, maps, strict=True)}
        torch.testing.assert_close(
            torch.from_numpy(session.run(None, feed)[0]),
            module(*maps).detach(),
            rtol=1e-4,
            atol=1e-4,
        )


@pytest.mark.parametrize('cfg, dynamo', BOTH, ids=str)
def test_any_size(cfg, dynamo, tmp_path):
    check_upsampler(cfg, dynamo, tmp_path)


# what samples, what reassembles, groups of both, and both at once
FORMS = [
    dict(type='DySample', style='pl', groups=8),
    dict(type='DLU', up_group=2),
    dict(type='SAPA'),
    dict(type='FreqFusion'),
]
OF_RUNTIMES = [
    *((runtime, cfg, False) for runtime in ('onnxruntime', 'openvino') for cfg in FORMS),
    NEWER('onnxruntime', dict(type='DLU'), True),
]


@pytest.mark.parametrize('runtime, cfg, dynamo', OF_RUNTIMES, ids=str)
def test_forms_of_any_size(runtime, cfg, dynamo, tmp_path):
    with exported_for(runtime):
        path = check_upsampler(cfg, dynamo, tmp_path)
    kinds = {node.op_type for node in onnx.load(str(path)).graph.node}
    assert 'GridSample' not in kinds or runtime == 'openvino'


def check_upsampler(cfg, dynamo, tmp_path):
    upsample = build_upsampler(cfg, 32, 2).eval()
    for parameter in upsample.parameters():
        torch.nn.init.normal_(parameter, std=0.1)

    def inputs(h, w):
        maps = torch.randn(1, 32, h, w), torch.randn(1, 32, 2 * h, 2 * w)
        return maps[: 1 + upsample.guided]

    path = tmp_path / 'upsample.onnx'
    check(upsample, inputs(8, 10), [inputs(5, 7)], dynamo, path)
    return path


LEVELS = [(type, False) for type in ('nearest', 'FADE', 'SAPA', 'FreqFusion')]
LEVELS += [NEWER('nearest', True), NEWER('FADE', True)]


@pytest.mark.parametrize('type, dynamo', LEVELS)
def test_levels_of_any_picture(type, dynamo, pyramid, tmp_path):
    pictures = [(torch.randn(1, 3, *size),) for size in [(21, 22), (20, 24), (32, 31)]]
    check(pyramid(dict(type=type)), pictures[0], pictures[1:], dynamo, tmp_path / 'pyramid.onnx')
