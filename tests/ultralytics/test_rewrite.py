"""``upsampled``: yamls and checkpoints that are written where the user stands."""

from pathlib import Path

import pytest
import torch
from torch import nn

ultralytics = pytest.importorskip('ultralytics', reason='Ultralytics is not installed')

from ultralytics import RTDETR, YOLO  # noqa: E402
from ultralytics.nn import tasks  # noqa: E402

import mmdyup  # noqa: E402
from mmdyup.ultralytics import upsampled  # noqa: E402

FOLDER = Path(ultralytics.__file__).parent / 'cfg/models'
YAMLS = sorted(f.name for f in FOLDER.rglob('*.yaml') if 'nn.Upsample' in f.read_text('utf-8'))


def test_there_are_as_many_as_docs_say():
    expected = {'8.3.0': 40, '8.4.190': 58}.get(ultralytics.__version__, len(YAMLS))
    assert len(YAMLS) == expected > 0


@pytest.mark.slow
@pytest.mark.parametrize('name', YAMLS)
@pytest.mark.filterwarnings('error::UserWarning:mmdyup')
def test_every_yaml_builds_and_runs(name, monkeypatch):
    # weights are whatever lies in memory, for speed
    for layer in (nn.Conv2d, nn.Linear):
        monkeypatch.setattr(layer, 'reset_parameters', lambda self: None)
    file = upsampled(name, 'DySample')
    assert file == name.replace('.yaml', '-dysample.yaml').lower()
    before = sum(row[2] == 'nn.Upsample' for row in rows(name))
    model = (RTDETR if 'rtdetr' in name else YOLO)(file).model
    ours = [layer for layer in model.model if isinstance(layer, mmdyup.DySample)]
    assert len(ours) == before > 0
    assert not any(isinstance(layer, nn.Upsample) for layer in model.model)
    assert len(model.model) == len(rows(name))
    if 'world' not in name and 'yoloe' not in name:  # which wait for texts
        size = 160 if 'rtdetr' in name else 64  # which looks at 300 cells at least
        with torch.no_grad():
            model.eval()(torch.zeros(1, 3, size, size))


def rows(name):
    yaml = tasks.yaml_model_load(name)
    return [*yaml['backbone'], *yaml['head']]


def test_a_yaml_is_the_source_but_for_its_upsamplers(stock):
    file = upsampled(f'{stock}.yaml', 'DySample', dyscope=True, groups=8)
    assert file == f'{stock}-dysample-dyscope-groups8.yaml'
    yaml, source = tasks.yaml_model_load(file), tasks.yaml_model_load(f'{stock}.yaml')
    for row in (*source['backbone'], *source['head']):
        if row[2] == 'nn.Upsample':
            row[2:] = ['DySample', [2, dict(dyscope=True, groups=8)]]
    assert yaml.pop('yaml_file') != source.pop('yaml_file')
    assert yaml == source
    assert '  - [-1, 1, DySample, [2, {dyscope: true, groups: 8}]]\n' in Path(file).read_text()


@pytest.mark.parametrize('name, options', [('FADE', dict(gate=False)), ('SAPA', {})])
def test_guides_are_what_the_next_row_merges(name, options, stock):
    model = tasks.DetectionModel(upsampled(f'{stock}.yaml', name, **options), verbose=False)
    ours = [layer for layer in model.model if 'mmdyup' in layer.type]
    merged = [layer.f[1] for layer in model.model if type(layer).__name__ == 'Concat'][:2]
    assert [layer.f for layer in ours] == [[-1, i] for i in merged]
    if stock == 'yolo11n':
        assert sum(layer.np for layer in ours) == dict(FADE=69_938, SAPA=21_888)[name]


def test_a_model_that_merges_otherwise():
    with pytest.raises(ValueError, match='Row 14, .* does not merge row 13 with one finer feature'):
        upsampled('rtdetr-l.yaml', 'SAPA')


def test_four_levels(stock):
    if stock != 'yolo11n':
        with pytest.raises(ValueError, match='knows the rows of YOLO11 alone'):
            upsampled(f'{stock}.yaml', 'DySample', p2=True)
        return
    file = upsampled('yolo11n.yaml', 'DySample', p2=True)
    assert file == 'yolo11n-p2-dysample.yaml'
    model = tasks.DetectionModel(file, nc=5, verbose=False)
    assert model.stride.tolist() == [4, 8, 16, 32]
    # without the upsamplers of 256, 128 and 64 channels
    parameters = sum(p.numel() for p in model.parameters())
    assert parameters - 8_224 - 4_128 - 2_080 == 2_904_340


def checkpoint(stock):
    """A stock checkpoint, as versions that cannot save a model made of a yaml write it too."""
    model = YOLO(f'{stock}.yaml').model
    model.args, model.names = dict(model=f'{stock}.yaml'), {0: 'cell'} | model.names
    for p in model.parameters():
        nn.init.normal_(p, std=0.1)
    torch.save(dict(epoch=-1, model=model.half(), ema=None, train_args={}), f'{stock}.pt')
    return model.float()


@pytest.mark.slow
def test_a_checkpoint_keeps_its_weights(stock):
    source = checkpoint(stock)
    file = upsampled(f'{stock}.pt', 'DySample', dyscope=True)
    assert file == f'{stock}-dysample-dyscope.pt'
    model = YOLO(file).model
    state, kept = model.state_dict(), source.state_dict()
    assert len(set(state) - set(kept)) == 8 and set(kept) <= set(state)
    assert all(torch.equal(state[name], kept[name].half().float()) for name in kept)
    assert model.names == source.names and model.yaml['nc'] == source.yaml['nc']
    # the paper's start
    offset = next(v for k, v in state.items() if k.endswith('offset.weight'))
    assert 0.0009 < float(offset.std()) < 0.0011


def test_an_own_name_is_no_upsampler():
    for name in ('Conv', 'Weigh', 'nearest'):
        with pytest.raises(ValueError, match=f"There is no upsampler '{name}'; name one of DyS"):
            upsampled('yolov8n.yaml', name)


def test_an_unknown_argument():
    with pytest.raises(TypeError, match="DySample takes no argument 'dyscop'; it takes"):
        upsampled('yolov8n.yaml', 'DySample', dyscop=True)


def test_a_model_without_upsamplers():
    with pytest.raises(ValueError, match='has no nn.Upsample that could be replaced'):
        upsampled('yolov8n-cls.yaml', 'DySample')
