"""tools/export.py as a person uses it."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from exporting.compare import Differs, compare
from exporting.graph import write_graph
from exporting.parts import Exported
from mmdyup.testing import needs_export_for_any_size
from recipes.model import build_model, make_ready

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
pytestmark = pytest.mark.usefixtures('elsewhere')

ROOT = Path(__file__).parents[2]
EXPORT = runpy.run_path(str(ROOT / 'tools/export.py'))
SMALL = ('--from-scratch', '--tiny', '--size', '64', '96')


def saved(name, *flags):
    """The words of a command for a checkpoint of the config, tiny and untrained; and its model."""
    words = [str(ROOT / f'configs/{name}.py'), 'weights.pth', 'model.onnx', *SMALL, *flags]
    cfg = EXPORT['load_config'](EXPORT['parse_args'](words))
    model = make_ready(build_model(cfg), cfg, None).cpu()
    torch.save(dict(state_dict=model.state_dict()), 'weights.pth')
    return words, model


def run(image):
    session = onnxruntime.InferenceSession('model.onnx')
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {'image': image}), strict=True))


def sentence(words):
    with pytest.raises(SystemExit) as stop:
        EXPORT['main'](words)
    message = stop.value.code
    assert isinstance(message, str) and '\n' not in message and message.endswith('.')
    return message


@pytest.mark.slow
def test_a_segmenter_of_any_size(capsys):
    words, model = saved('semantic_fpn_r50_dysample')
    EXPORT['main'](words)
    said = capsys.readouterr().out
    assert 'all of it' in said and 'any size' in said and 'opset 13' in said
    assert said.count('ONNX Runtime') == 4
    image = torch.randn(1, 3, 45, 70)
    with torch.no_grad():
        expected = torch.nn.functional.interpolate(
            model.forward(image), (45, 70), mode='bilinear', align_corners=False
        )
    np.testing.assert_allclose(
        run(image.numpy())['seg_logits'], expected.numpy(), rtol=1e-3, atol=1e-5
    )
    facts = {entry.key: entry.value for entry in onnx.load('model.onnx').metadata_props}
    assert facts['config'] == 'semantic_fpn_r50_dysample.py' and facts['channels'] == 'RGB'
    assert facts['mean'] == '123.675, 116.28, 103.53'


@pytest.mark.slow
def test_a_two_stage_detector_up_to_its_rpn(capsys):
    words, model = saved('faster_rcnn_dysample')
    EXPORT['main'](words)
    assert 'backbone, neck and rpn_head' in capsys.readouterr().out
    image = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        levels = model.extract_feat(image)
        scores, boxes = model.rpn_head(levels)
    found = run(image.numpy())
    expected = {f'level_{i}': level for i, level in enumerate(levels)}
    expected |= {f'cls_scores_{i}': value for i, value in enumerate(scores)}
    expected |= {f'bbox_preds_{i}': value for i, value in enumerate(boxes)}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value.numpy(), rtol=1e-3, atol=1e-4)


@needs_export_for_any_size  # the newer exporter, which alone writes it
@pytest.mark.slow
def test_half_precision_takes_and_gives_it():
    words, _ = saved('semantic_fpn_r50_dysample', '--half', '--neck')
    EXPORT['main'](words)
    found = run(np.zeros((1, 3, 64, 64), np.float16))
    assert list(found) == [f'level_{i}' for i in range(4)]
    assert {value.dtype for value in found.values()} == {np.dtype('float16')}


SCRIPTS = """
import runpy, sys
tools, flags, words = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
sys.path.insert(0, tools)
for script, given in (('export', words), ('benchmark_deploy', flags)):
    runpy.run_path(f'{tools}/{script}.py')['main'](given)
"""


@pytest.mark.slow
def test_openvino():
    """In a process of its own, and two scripts in one, which loads everything once."""
    pytest.importorskip('openvino')
    words, _ = saved('semantic_fpn_r50_dysample', '--runtime', 'openvino', '--neck')
    flags = '--upsamplers dysample carafe --size 16 6 5 --rounds 1 --threads 1'
    command = [sys.executable, '-c', SCRIPTS, str(ROOT / 'tools'), flags, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, times = done.stdout.split('benchmark_deploy.py')
    assert said.count('OpenVINO in float32') == said.count('OpenVINO as it comes') == 4
    rows = [line for line in times.splitlines() if line.startswith(('| bil', '| dys', '| car'))]
    assert len(rows) == 3 and all(row.count('×') == 3 for row in rows)


@pytest.mark.slow
def test_what_takes_one_size_says_so(capsys):
    """SegFormer's attention freezes the size in the older exporter's graphs, whatever upsamples."""
    words, _ = saved('segformer_b1_bilinear', '--exporter', 'torchscript')
    EXPORT['main'](words)
    assert '64×96 alone' in capsys.readouterr().out
    with pytest.raises(Exception, match='dimension'):
        run(np.zeros((1, 3, 64, 64), np.float32))


class Doubled(torch.nn.Module):
    def forward(self, image):
        return (2 * image,)

    def results(self, image):
        return {'doubled': 2 * image}


def test_a_graph_that_differs_is_refused(tmp_path):
    part, path = Doubled().eval(), tmp_path / 'graph.onnx'
    image = torch.randn(1, 3, 5, 6)
    assert write_graph(part, image, path, ['doubled'], 'torchscript', 'onnxruntime', True) == 13
    (line,) = compare(part, path, {'noise': torch.randn(1, 3, 4, 9)}, False, 'onnxruntime')
    assert line == 'ONNX Runtime, noise: 0.0e+00'

    class Tripled(Doubled):
        def forward(self, image):
            return (3 * image,)

    with pytest.raises(Differs, match=r'noise: 3\.3e-01 of the largest value'):
        compare(Tripled(), path, {'noise': image}, False, 'onnxruntime')


def test_a_model_without_a_dense_head():
    with pytest.raises(ValueError, match=r'Linear has no dense head.*--neck\.$'):
        Exported(torch.nn.Linear(1, 1), False)


def test_mistakes(tmp_path):
    config = str(ROOT / 'configs/faster_rcnn_dysample.py')
    assert 'ends in .onnx' in sentence([config, 'weights.pth', 'model.pt'])
    assert 'no folder' in sentence([config, 'weights.pth', 'nowhere/model.onnx'])
    assert 'height and a width' in sentence([config, 'w.pth', 'm.onnx', '--size', '0', '4'])
    assert 'no checkpoint weights.pth' in sentence([config, 'weights.pth', 'model.onnx', *SMALL])
