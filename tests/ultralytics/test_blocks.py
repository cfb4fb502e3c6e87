"""Rows that name the blocks of ``mmdyup.blocks``."""

import copy

import pytest
import torch

pytest.importorskip('ultralytics', reason='Ultralytics is not installed')

from ultralytics.engine.trainer import BaseTrainer  # noqa: E402
from ultralytics.nn import tasks  # noqa: E402

from mmdyup import blocks  # noqa: E402

X = torch.rand(1, 3, 64, 64)


def downsampled(name, stem):
    """A stock yaml whose neck goes up by another block than Conv."""
    yaml = tasks.yaml_model_load(f'{stem}.yaml')
    for row in yaml['head']:
        row[2] = name if row[2] == 'Conv' else row[2]
    return yaml


def attended(name, args, stem):
    """A stock yaml with a row between backbone and neck, all numbers behind it moved."""
    yaml = tasks.yaml_model_load(f'{stem}.yaml')
    at = len(yaml['backbone'])
    for row in yaml['head']:
        row[0] = [j + (j >= at) for j in row[0]] if isinstance(row[0], list) else row[0]
    yaml['head'].insert(0, [-1, 1, name, args])
    return yaml


@pytest.fixture
def yaml(request, stock):
    name, *args = request.param
    return attended(name, args, stock) if name in ('EMA', 'MSCA') else downsampled(name, stock)


CASES = {
    'SPDConv': (436, 481, 499),
    'SPDConvLite': (436, 481, 537),
    'HybridDown': (448, 493, 537),
    'MSCA': (448, 493, 517),
    'EMA': (448, 493, 505),
}


@pytest.mark.parametrize('yaml', [[name] for name in CASES], ids=CASES, indirect=True)
def test_a_model_of_it_takes_what_fits(yaml, stock, request):
    name = request.node.callspec.id
    source = tasks.DetectionModel(f'{stock}.yaml', verbose=False)
    model = tasks.DetectionModel(copy.deepcopy(yaml), nc=5, verbose=False)
    layers = [layer for layer in model.model if isinstance(layer, getattr(blocks, name))]
    assert len(layers) == sum(row[2] == name for row in yaml['head']) > 0
    assert all(layer.np == sum(p.numel() for p in layer.parameters()) for layer in layers)
    if stock == 'yolo11n':
        transferred = []
        model.load_state_dict = lambda state, strict: transferred.append(len(state))
        model.load(source, verbose=False)
        # before 8.4, and from then on with the hidden layers of the class branch
        assert transferred[0] in CASES[name][:2]
        assert len(model.state_dict()) == CASES[name][2]


@pytest.mark.parametrize('yaml', [['HybridDown'], ['MSCA', 8, True]], ids=str, indirect=True)
def test_the_start_is_the_stock_model(yaml, stock):
    source = tasks.DetectionModel(f'{stock}.yaml', verbose=False).eval()
    model = tasks.DetectionModel(yaml, verbose=False).eval()
    model.load(source, verbose=False)
    assert torch.equal(model(X)[0], source(X)[0])


@pytest.mark.parametrize('yaml', [['HybridDown'], ['SPDConvLite']], ids=str, indirect=True)
def test_gates_are_not_decayed_and_fused_models_keep_branches(yaml):
    model = tasks.DetectionModel(yaml, verbose=False)
    gates = [p for n, p in model.named_parameters() if n.split('.')[-2] in ('alpha', 'beta')]
    assert len(gates) == 2
    optimizer = BaseTrainer.build_optimizer(None, model, name='AdamW', decay=0.1)
    for group in optimizer.param_groups:
        if group['weight_decay']:
            assert not any(p is gate for p in group['params'] for gate in gates)
    for p in gates:
        torch.nn.init.constant_(p, 0.7)
    for buffer in model.buffers():
        if buffer.is_floating_point() and buffer.dim() == 1 and len(buffer) > 1:
            buffer.uniform_(0.5, 1.5)
    model.eval()
    with torch.no_grad():
        expected = model(X)[0]
        fused = copy.deepcopy(model).fuse()(X)[0]
    torch.testing.assert_close(fused, expected, rtol=1e-3, atol=1e-3)
