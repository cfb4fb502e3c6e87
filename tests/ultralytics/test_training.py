"""A model with rows of ours in all that Ultralytics does with models."""

import copy
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip('ultralytics', reason='Ultralytics is not installed')

from ultralytics import YOLO  # noqa: E402
from ultralytics.models.yolo.detect import DetectionTrainer  # noqa: E402
from ultralytics.nn import tasks  # noqa: E402
from ultralytics.utils import dist  # noqa: E402
from ultralytics.utils.torch_utils import ModelEMA  # noqa: E402

import mmdyup  # noqa: E402
from mmdyup.ultralytics import upsampled  # noqa: E402

pytestmark = pytest.mark.slow

ARGS = dict(imgsz=64, batch=4, workers=0, device='cpu', plots=False, verbose=False, exist_ok=True)


def offsets(model):
    """The parameters of the model's DySamples."""
    layers = [layer for layer in model.modules() if isinstance(layer, mmdyup.DySample)]
    return torch.cat([p.detach().flatten() for layer in layers for p in layer.parameters()])


class Interrupted(Exception):
    pass


@pytest.fixture(scope='module')
def interrupted(data, stock, tmp_path_factory):
    """The folder of a training of two epochs that ended after the first one."""
    folder = tmp_path_factory.mktemp('interrupted')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        model = YOLO(upsampled(f'{stock}.yaml', 'DySample'))
        model.add_callback('on_model_save', interrupt)
        with pytest.raises(Interrupted):
            model.train(data=data, epochs=2, project=str(folder), name='run', **ARGS)
    return folder / 'run'


def interrupt(trainer):
    raise Interrupted


@pytest.fixture
def weights(interrupted, tmp_path):
    """Its last checkpoint, as of a run in a folder of this test's own."""
    folder = tmp_path / 'run'
    shutil.copytree(interrupted, folder)
    file = folder / 'weights' / 'last.pt'
    checkpoint = torch.load(file, weights_only=False)
    checkpoint['train_args'] |= dict(project=str(tmp_path), save_dir=str(folder))
    torch.save(checkpoint, file)
    return file


def test_training_moves_the_offsets(interrupted, stock):
    model = YOLO(interrupted / 'weights' / 'last.pt').model
    assert offsets(model).abs().max() > 0
    assert [type(layer).__name__ for layer in model.model].count('DySample') == 2
    assert sum(row[2] == 'DySample' for row in model.yaml['head']) == 2


def test_validate_and_predict(weights, data):
    model = YOLO(weights)
    metrics = model.val(data=data, imgsz=64, batch=2, workers=0, plots=False, device='cpu')
    assert 0 <= metrics.box.map <= 1
    results = model.predict(np.zeros((48, 64, 3), np.uint8), imgsz=64, verbose=False)
    assert results[0].boxes is not None


def test_resume(weights, data):
    before = offsets(YOLO(weights).model)
    model = YOLO(weights)
    model.train(resume=True)
    # the second and last epoch; training ended and let go of the optimizer
    log = (weights.parents[1] / 'results.csv').read_text().splitlines()
    assert [line.split(',')[0].strip() for line in log[1:]] == ['1', '2']
    after = offsets(YOLO(weights).model)
    assert after.shape == before.shape and not torch.equal(after, before)


# What one does in a process that never says mmdyup: the checkpoint imports it.
FRESH = """
from pathlib import Path
from ultralytics import YOLO
weights, data = sys.argv[1:]
args = dict(imgsz=64, batch=4, workers=0, device='cpu', plots=False, verbose=False)
assert 'mmdyup' not in sys.modules
model = YOLO(weights)
assert 'mmdyup' in sys.modules
tuned = YOLO(weights)
tuned.train(data=data, epochs=1, project='fresh', name='tuned', exist_ok=True, **args)
assert [type(m).__name__ for m in tuned.model.model].count('DySample') == 2
resumed = YOLO(weights)
resumed.train(resume=True)
assert [type(m).__name__ for m in resumed.model.model].count('DySample') == 2
print('well')
"""


def test_a_process_that_never_imported_mmdyup(weights, data, run_python):
    assert run_python(FRESH, weights, data).splitlines()[-1] == 'well'


# The hook waits for Ultralytics where mmdyup comes first.
FIRST = """
import mmdyup
assert 'ultralytics' not in sys.modules
from ultralytics.nn import tasks
yaml = dict(nc=2, backbone=[[-1, 1, "Conv", [32, 3, 2]]], head=[[-1, 1, "DySample", [2]]])
print(type(tasks.parse_model(yaml, 3, False)[0][1]).__name__)
from ultralytics.engine.model import Model
from ultralytics.utils import dist
for function in (tasks.BaseModel.load, dist.generate_ddp_file, Model.train):
    assert function._mmdyup
"""


def test_mmdyup_may_be_imported_first(run_python):
    assert run_python(FIRST).splitlines()[-1] == 'DySample'


def test_the_script_of_a_distributed_worker(data, stock, run_python, tmp_path):
    if 'cloudpickle' in Path(dist.__file__).read_text(encoding='utf-8'):
        pytest.importorskip('cloudpickle', reason='cloudpickle is not installed')
    yaml = upsampled(f'{stock}.yaml', 'DySample')
    overrides = dict(model=yaml, data=data, epochs=1, project=str(tmp_path), name='ddp', **ARGS)
    trainer = DetectionTrainer(overrides=overrides)
    file = Path(dist.generate_ddp_file(trainer))
    script = file.read_text(encoding='utf-8')
    assert script.count('import mmdyup; from ultralytics') == 1
    run_python(f'import runpy\nrunpy.run_path({str(file)!r}, run_name="__main__")\n')
    dist.ddp_cleanup(trainer, str(file))
    model = YOLO(tmp_path / 'ddp' / 'weights' / 'last.pt').model
    assert offsets(model).numel() > 0


def test_a_worker_script_that_is_not_known(tmp_path):
    from mmdyup.ultralytics import patches

    file = tmp_path / 'script.py'
    file.write_text('train()\n')
    with pytest.warns(UserWarning, match="The worker's script of Ultralytics .*upsampled"):
        patches._importing_mmdyup(lambda trainer: str(file))(None)
    assert file.read_text() == 'train()\n'


def test_onnx_and_torchscript(weights):
    onnxruntime = pytest.importorskip('onnxruntime', reason='ONNX Runtime is not installed')
    model = YOLO(weights)
    x = torch.rand(1, 3, 64, 64)
    expected = copy.deepcopy(model.model).fuse().eval()(x)[0].detach()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        onnx = model.export(format='onnx', imgsz=64, simplify=False, device='cpu')
        script = model.export(format='torchscript', imgsz=64, device='cpu')
    session = onnxruntime.InferenceSession(onnx, providers=['CPUExecutionProvider'])
    y = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-3)
    y = torch.jit.load(script)(x)
    y = y[0] if isinstance(y, (tuple, list)) else y
    torch.testing.assert_close(y.detach(), expected, rtol=1e-4, atol=1e-3)


@pytest.fixture
def model(stock):
    """A model of ours whose offsets are large enough to be seen."""
    model = tasks.DetectionModel(upsampled(f'{stock}.yaml', 'DySample'), nc=3, verbose=False)
    for layer in model.modules():
        if isinstance(layer, mmdyup.DySample):
            torch.nn.init.normal_(layer.offset.weight, std=0.1)
    return model.eval()


def output(model, x):
    y = model(x)[0].detach()
    assert y.isfinite().all()
    return y


def test_copies(model):
    x = torch.rand(1, 3, 64, 64)
    expected = output(model, x)
    assert torch.equal(output(copy.deepcopy(model), x), expected)
    ema = ModelEMA(model)
    for _ in range(3):
        ema.update(model)
    torch.testing.assert_close(output(ema.ema, x), expected, rtol=1e-4, atol=1e-3)
    buffers = dict(ema.ema.named_buffers())
    for name, buffer in model.named_buffers():
        if 'init_pos' in name:
            assert torch.equal(buffers[name], buffer)
    fused = copy.deepcopy(model).fuse()
    torch.testing.assert_close(output(fused, x), expected, rtol=1e-4, atol=1e-3)
    through_half = copy.deepcopy(model).half().float()
    torch.testing.assert_close(offsets(through_half), offsets(model), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(output(through_half, x), expected, rtol=1e-1, atol=1)


def test_half_precision(model):
    x = torch.rand(1, 3, 64, 64)
    y = copy.deepcopy(model).bfloat16()(x.bfloat16())[0].float()
    assert y.isfinite().all()
    with torch.autocast('cpu', torch.bfloat16):
        loss = model.train()(x)
    loss = loss if isinstance(loss, dict) else dict(maps=loss)
    maps = [z for value in loss.values() for z in (value if isinstance(value, list) else [value])]
    maps = [z for z in maps if isinstance(z, torch.Tensor) and z.requires_grad]
    sum(z.float().mean() for z in maps).backward()
    layers = [layer for layer in model.modules() if isinstance(layer, mmdyup.DySample)]
    for layer in layers:
        for p in layer.parameters():
            assert p.grad.dtype == torch.float32 and p.grad.isfinite().all()


def test_safe_loading(weights, stock, monkeypatch):
    if not hasattr(tasks, 'SAFE_LOAD'):
        pytest.skip('this version of Ultralytics has no ULTRALYTICS_SAFE_LOAD')
    # what the environment variable sets
    monkeypatch.setattr(tasks, 'SAFE_LOAD', True)
    file = upsampled(f'{stock}.yaml', 'SAPA')
    model = YOLO(file)
    model.save('sapa.pt')
    for each in (weights, 'sapa.pt'):
        assert any(isinstance(m, mmdyup.Upsampler) for m in YOLO(each).model.modules())
