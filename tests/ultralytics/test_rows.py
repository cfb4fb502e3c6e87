"""Rows of a model's yaml: what they build, what is printed, what Ultralytics' parser is told."""

import copy
import logging
import pickle

import pytest
import torch
from torch import nn

pytest.importorskip('ultralytics', reason='Ultralytics is not installed')

from ultralytics.nn import tasks  # noqa: E402

import mmdyup  # noqa: E402
from mmdyup.ultralytics import register  # noqa: E402
from mmdyup.ultralytics import rows as rows_module  # noqa: E402


def tiny(*head, width=0.5, **own):
    """A model of two levels whose rows 2, 3, … are ``head``; row 1 has 32 channels of 16×16."""
    return dict(
        nc=2,
        scales=dict(n=[1.0, width, 1024]),
        scale='n',
        backbone=[[-1, 1, 'Conv', [32, 3, 2]], [-1, 1, 'Conv', [64, 3, 2]]],
        head=[*map(list, head)],
        **own,
    )


def build(*head, **own):
    model, save = tasks.parse_model(copy.deepcopy(tiny(*head, **own)), ch=3, verbose=False)
    return model, save


def run(model, x):
    maps = []
    for layer in model:
        sources = layer.f if isinstance(layer.f, list) else [layer.f]
        taken = [x if j == -1 else maps[j] for j in sources]
        x = layer(taken if isinstance(layer.f, list) else taken[0])
        maps.append(x)
    return x


class Half(nn.Module):
    """Makes c2 channels at half the size."""

    def __init__(self, c1, c2, k=3, *, bias=True):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, 2, k // 2, bias=bias)

    def forward(self, x):
        return self.conv(x)


class Weigh(nn.Module):
    """Keeps its channels."""

    def __init__(self, channels, start=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, x):
        return x * self.weight


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(rows_module, '_REGISTERED', {})
    register('Half', Half, 'makes')
    register('Weigh', Weigh)


def test_the_readers_row():
    model, save = build([-1, 1, 'DySample', [2, 'lp']])
    layer = model[2]
    assert type(layer) is mmdyup.DySample
    assert (layer.in_channels, layer.scale_factor, layer.style) == (32, 2, 'lp')
    assert (layer.i, layer.f, layer.type) == (2, -1, 'mmdyup.upsamplers.dysample.DySample')
    assert layer.np == 2 * 4 * 4 * (32 + 1)
    assert run(model, torch.rand(1, 3, 32, 32)).shape == (1, 32, 16, 16)
    # a layer of ours is where the yaml has it, and no later row moves
    assert [each.i for each in model] == [0, 1, 2] and save == []


@pytest.mark.parametrize('name', list(mmdyup.upsamplers.registry.UPSAMPLERS))
def test_every_upsampler_is_a_row(name):
    guided = mmdyup.upsamplers.registry.UPSAMPLERS[name].guided
    yaml = tiny([[-1, 0] if guided else -1, 1, name, [2]])
    for row in yaml['backbone']:
        row[3][0] = 128  # 64 channels, which every one of them can take
    model, save = tasks.parse_model(yaml, ch=3, verbose=False)
    y = run(model, torch.rand(1, 3, 64, 64))
    assert y.shape == (1, 64, 32, 32)
    assert save == [0] * guided
    y.sum().backward()
    assert all(p.grad is not None for p in model[2].parameters())
    assert model[2].np == sum(p.numel() for p in model[2].parameters())


def test_a_dict_among_the_arguments_holds_keywords():
    model, _ = build([-1, 1, 'DySample', [2, {'dyscope': True, 'style': 'pl'}]])
    assert model[2].scope is not None and model[2].style == 'pl'


def test_a_guide_is_the_row_that_is_named():
    yaml = tiny([[-1, 0], 1, 'SAPA', [2]], [[-1, 0], 1, 'Concat', [1]])
    yaml['backbone'][0][3][0] = 128
    model, save = tasks.parse_model(yaml, ch=3, verbose=False)
    layer = model[2]
    assert (layer.upsampler.in_channels, layer.upsampler.guide_channels) == (32, 64)
    x, guide = torch.rand(1, 32, 4, 4), torch.rand(1, 64, 8, 8)
    torch.testing.assert_close(layer([x, guide]), layer.upsampler(x, guide))
    assert 0 in save and layer.f == [-1, 0]
    assert run(model, torch.rand(1, 3, 16, 16)).shape == (1, 96, 8, 8)


def test_rows_of_ones_own(registered):
    model, _ = build(
        [-1, 1, 'Half', [128, 5, {'bias': False}]], [-1, 1, 'Weigh', [0.5]], width=0.25
    )
    # the channels that a row makes are scaled by the width, those of row 1 are 64 · 0.25
    assert model[2].conv.weight.shape == (32, 16, 5, 5) and model[2].conv.bias is None
    assert model[3].weight.shape == (32, 1, 1) and (model[3].weight == 0.5).all()
    assert run(model, torch.rand(1, 3, 16, 16)).shape == (1, 32, 2, 2)


def test_channels_are_capped_and_rounded_as_those_of_stock_rows(registered):
    yaml = tiny([-1, 1, 'Half', [1000]], [1, 1, 'Conv', [1000, 3, 2]])
    yaml['scales']['n'] = [1.0, 0.3, 512]
    model, _ = tasks.parse_model(yaml, ch=3, verbose=False)
    assert model[2].conv.out_channels == model[3].conv.out_channels == 160


def test_wrong_registrations():
    with pytest.raises(ValueError, match="one of keeps, makes, guided, but it is 'down'"):
        register('Half', Half, 'down')
    with pytest.raises(TypeError, match='needs a class of torch.nn.Module'):
        register('Half', lambda c: c)


def test_the_yaml_is_not_changed():
    yaml = tiny([-1, 1, 'DySample', [2, 'lp']])
    kept = copy.deepcopy(yaml)
    model = tasks.parse_model(yaml, ch=3, verbose=False)[0]
    assert yaml == kept
    assert type(pickle.loads(pickle.dumps(model))[2]) is mmdyup.DySample


def test_the_table_shows_rows_as_they_are(caplog):
    logger = tasks.LOGGER
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger.name):
            tasks.parse_model(
                tiny([-1, 1, 'DySample', [2, 'lp']], [-1, 1, 'Conv', [64, 1]]), 3, True
            )
    finally:
        logger.removeHandler(caplog.handler)
    lines = [line.split() for line in caplog.messages if line.split()]
    assert lines[3] == "2 -1 1 1056 mmdyup.upsamplers.dysample.DySample [32, 2, 'lp']".split()
    # the columns of a stock row
    ours, other = (m for m in caplog.messages if m.split()[:1] in (['2'], ['3']))
    assert ours.index('mmdyup') == other.index('ultralytics')
    assert ours.index('[') == other.index('[')
    assert tasks.LOGGER is logger


def test_stock_models_are_handed_on(monkeypatch):
    model, save = build([-1, 1, 'nn.Upsample', [None, 2, 'nearest']], [[-1, 0], 1, 'Concat', [1]])
    original = tasks.parse_model.__wrapped__
    torch.manual_seed(1)
    ours, kept = tasks.parse_model(copy.deepcopy(tiny([-1, 1, 'Conv', [64, 3, 2]])), 3, False)
    torch.manual_seed(1)
    theirs, _ = original(copy.deepcopy(tiny([-1, 1, 'Conv', [64, 3, 2]])), 3, False)
    assert all(
        torch.equal(a, b)
        for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    )
    assert 0 in save and kept == []


@pytest.mark.parametrize('nc, parameters', [(80, 2_636_432), (25, 2_607_067), (1, 2_602_387)])
def test_parameters_of_yolo11n_as_the_tutorials_print_them(nc, parameters, stock):
    if stock != 'yolo11n':
        pytest.skip('this version of Ultralytics has no YOLO11')
    from mmdyup.ultralytics import upsampled

    count = {}
    for source in ('yolo11n.yaml', upsampled('yolo11n.yaml', 'DySample')):
        model = tasks.DetectionModel(source, nc=nc, verbose=False)
        count[source] = sum(p.numel() for p in model.parameters())
    assert count['yolo11n-dysample.yaml'] == parameters
    assert count['yolo11n-dysample.yaml'] - count['yolo11n.yaml'] == 12_352


def test_thop_counts_what_mmdyups_operators_do():
    import thop

    layer = mmdyup.DySample(32)
    x = torch.rand(1, 32, 4, 6)
    macs, parameters = thop.profile(layer, inputs=[x], verbose=False)
    convolution, samples = 32 * 32 * 4 * 6, 4 * 32 * 8 * 12
    assert (macs, parameters) == (convolution + samples, 1056)


def test_the_layers_and_flops_that_the_tutorials_print():
    import ultralytics

    if ultralytics.__version__ != '8.3.0':
        pytest.skip('only 8.3.0 to 8.3.63 count all modules as layers, as the tutorials did')
    from mmdyup.ultralytics import upsampled

    model = tasks.DetectionModel(upsampled('yolo11n.yaml', 'DySample'), nc=25, verbose=False)
    layers, parameters, _, flops = model.info(imgsz=640)
    assert (layers, parameters, f'{flops:.1f}') == (321, 2_607_067, '6.5')
