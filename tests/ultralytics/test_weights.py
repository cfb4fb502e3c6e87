"""Pretrained weights: which tensors fit a model of other rows."""

import copy
import re

import pytest
import torch

pytest.importorskip('ultralytics', reason='Ultralytics is not installed')

from ultralytics import YOLO  # noqa: E402
from ultralytics.nn import tasks  # noqa: E402

from mmdyup.ultralytics import upsampled  # noqa: E402
from mmdyup.ultralytics.weights import match, rename, rows_of  # noqa: E402


def fitting(model, source):
    """Tensors of ``model`` that equal those of ``source``, which holds none twice."""
    for p in source.parameters():
        torch.nn.init.normal_(p)
    for k, (name, buffer) in enumerate(source.named_buffers()):
        buffer.random_() if 'running' in name else buffer.fill_(k + 1)
    model.load(source, verbose=False)
    known = {(v.shape, float(v.flatten()[0])) for v in source.state_dict().values() if v.numel()}
    return sum(
        (v.shape, float(v.flatten()[0])) in known for v in model.state_dict().values() if v.numel()
    )


def test_match():
    old = [[-1, 1, name, []] for name in 'abcabd']
    inserted = [*old[:2], [-1, 1, 'new', []], *old[2:]]
    assert match(old, inserted) == {0: 0, 1: 1, 2: 3, 3: 4, 4: 5, 5: 6}
    assert match(inserted, old) == {0: 0, 1: 1, 3: 2, 4: 3, 5: 4, 6: 5}
    # rows of equal number are matched by their places, as Ultralytics does
    assert match(old, old[::-1]) == {i: i for i in range(6)}
    # one replaced beside one inserted
    replaced = [*inserted[:4], [-1, 1, 'other', []], *inserted[5:]]
    assert match(old, replaced) == {0: 0, 1: 1, 2: 3, 3: 4, 4: 5, 5: 6}


def test_rename_levels_of_the_head():
    old = [[-1, 1, 'a', []], [-1, 1, 'b', []], [[0, 1], 1, 'Detect', []]]
    new = [[-1, 1, 'a', []], [-1, 1, 'n', []], [-1, 1, 'b', []], [[1, 0, 2], 1, 'Detect', []]]
    names = ('0.w', '1.w', '2.cv.0.w', '2.cv.1.w', '2.cv.2.w', '2.dfl.1.w')
    state = {f'model.{name}': name for name in names}
    assert rename(state | {'other': 0}, old, new, {'cv'}, {0: 1, 1: 2}) == {
        'model.0.w': '0.w',
        'model.2.w': '1.w',
        'model.3.cv.1.w': '2.cv.0.w',
        'model.3.cv.2.w': '2.cv.1.w',
        'model.3.dfl.1.w': '2.dfl.1.w',
        'other': 0,
    }


def inserted(yaml, at):
    """A row at ``at``, as a careful reader inserts it: with all numbers behind it moved."""
    backbone = len(yaml['backbone'])
    for row in rows_of(yaml):
        if isinstance(row[0], list):
            row[0] = [j + (j >= at) for j in row[0]]
    yaml['head'].insert(at - backbone, [-1, 1, 'DySample', [1]])
    return yaml


@pytest.mark.slow
def test_counts_for_five_classes(stock):
    if stock != 'yolo11n':
        pytest.skip('this version of Ultralytics has no YOLO11')
    source = tasks.DetectionModel('yolo11n.yaml', verbose=False)
    yaml = tasks.yaml_model_load(upsampled('yolo11n.yaml', 'DySample'))
    models = {
        'stock': tasks.DetectionModel('yolo11n.yaml', nc=5, verbose=False),
        'replaced': tasks.DetectionModel(copy.deepcopy(yaml), nc=5, verbose=False),
        'inserted': tasks.DetectionModel(inserted(yaml, 11), nc=5, verbose=False),
    }
    counts = {name: fitting(model, source) for name, model in models.items()}
    # from 8.4 on Ultralytics takes the hidden layers of the class branch too
    assert counts['stock'] in (448, 493)
    assert counts['replaced'] == counts['inserted'] == counts['stock']
    totals = {name: len(model.state_dict()) for name, model in models.items()}
    assert totals == dict(stock=499, replaced=505, inserted=508)


def test_counts_for_the_same_classes(stock):
    source = tasks.DetectionModel(f'{stock}.yaml', verbose=False)
    model = tasks.DetectionModel(upsampled(f'{stock}.yaml', 'DySample'), verbose=False)
    total = len(source.state_dict())
    assert fitting(model, source) == total
    assert len(model.state_dict()) == total + 6
    if stock == 'yolo11n':
        assert total == 499


def test_a_level_more_keeps_the_heads_levels(stock):
    if stock != 'yolo11n':
        pytest.skip('this version of Ultralytics has no YOLO11')
    source = tasks.DetectionModel('yolo11n.yaml', verbose=False)
    model = tasks.DetectionModel(upsampled('yolo11n.yaml', 'DySample', p2=True), verbose=False)
    # by its number alone the neck's and the head's would not fit
    assert fitting(model, source) == 491
    for level in range(3):
        torch.testing.assert_close(
            model.model[-1].cv2[level + 1][0].conv.weight,
            source.model[-1].cv2[level][0].conv.weight,
        )


def test_a_yolo_tells_what_fits(stock, caplog):
    model = YOLO(upsampled(f'{stock}.yaml', 'DySample'))
    source = tasks.DetectionModel(f'{stock}.yaml', verbose=False)
    tasks.LOGGER.addHandler(caplog.handler)
    try:
        model.model.load(source)
    finally:
        tasks.LOGGER.removeHandler(caplog.handler)
    fits, total = map(int, re.search(r'Transferred (\d+)/(\d+) items', caplog.text).groups())
    assert total - fits == 6
