"""Both of PyTorch's exporters write graphs that ONNX Runtime runs at any size."""

import pytest
import torch

from mmdyup import build_upsampler

pytest.importorskip('onnxscript')
runtime = pytest.importorskip('onnxruntime')

pytestmark = pytest.mark.filterwarnings('ignore')


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
]
# the newer exporter takes its time
DYNAMO = [dict(type='DySample'), dict(type='DLU')]


@pytest.mark.parametrize(
    'cfg, dynamo', [*((cfg, False) for cfg in CONFIGS), *((cfg, True) for cfg in DYNAMO)], ids=str
)
def test_any_size(cfg, dynamo, tmp_path):
    upsample = build_upsampler(cfg, 32, 2).eval()
    for parameter in upsample.parameters():
        torch.nn.init.normal_(parameter, std=0.1)

    def inputs(h, w):
        return [torch.randn(1, 32, h, w), torch.randn(1, 32, 2 * h, 2 * w)][: 1 + upsample.guided]

    path, names = tmp_path / 'upsample.onnx', ['x', 'guide'][: 1 + upsample.guided]
    sizes = {name: {2: f'{name}_h', 3: f'{name}_w'} for name in names}
    shapes = (
        dict(dynamic_axes=sizes)
        if not dynamo
        else dict(
            dynamic_shapes=tuple(
                {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO} for _ in names
            )
        )
    )
    torch.onnx.export(
        upsample,
        tuple(inputs(8, 10)),
        path,
        dynamo=dynamo,
        input_names=names,
        opset_version=20,
        **shapes,
    )
    session = runtime.InferenceSession(path)
    for size in [(8, 10), (5, 7)]:
        args = inputs(*size)
        feed = {name: arg.numpy() for name, arg in zip(names, args, strict=True)}
        torch.testing.assert_close(
            torch.from_numpy(session.run(None, feed)[0]),
            upsample(*args).detach(),
            rtol=1e-4,
            atol=1e-4,
        )
