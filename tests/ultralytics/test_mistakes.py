"""What the tutorials' readers get wrong: one sentence each, and stock Ultralytics otherwise."""

import copy
import types
import warnings

import pytest

pytest.importorskip('ultralytics', reason='Ultralytics is not installed')

from ultralytics import YOLO  # noqa: E402
from ultralytics.nn import tasks  # noqa: E402

import mmdyup  # noqa: E402
from mmdyup.ultralytics import patches, upsampled  # noqa: E402

BACKBONE = [[-1, 1, 'Conv', [64, 3, 2]], [-1, 1, 'Conv', [360, 3, 2]]]


def parse(*head):
    yaml = dict(nc=2, backbone=copy.deepcopy(BACKBONE), head=[*head])
    return tasks.parse_model(yaml, ch=3, verbose=False)


@pytest.mark.parametrize(
    'row, told',
    [
        ([-1, 1, 'DySampel', [2]], 'neither Ultralytics .* knows DySampel; did you mean DySample?'),
        ([-1, 1, 'Wavelet', [2]], 'knows Wavelet; mmdyup.ultralytics.register makes a block'),
        ([-1, 1, 'DySample', [None, 2, 'nearest']], r"nn.Upsample's arguments; .* write \[2\]"),
        ([-1, 1, 'DySample', ['None', 2, 'nearest']], r"nn.Upsample's arguments; .* write \[2\]"),
        ([-1, 1, 'DySample', [512, 2, 'lp']], 'takes the scale first, and its channels are found'),
        ([-1, 1, 'DySample', [2, 'nl']], "style must be 'lp' or 'pl', but it is 'nl'"),
        ([-1, 1, 'DySample', [2, 'lp', 7]], 'groups=7 must divide the 360 channels evenly'),
        ([-1, 2, 'DySample', [2]], 'cannot be repeated 2 times; write 1'),
        ([[-1, 0], 1, 'DySample', [2]], 'takes one feature; write -1 or the number of one row'),
        ([[-1, 0], 1, 'SAPA', [2]], 'in_channels must be a multiple of 32, but it is 360'),
        (
            [-1, 1, 'SAPA', [2]],
            r'write where both come from, such as \[\[-1, 6\], 1, SAPA, \[2\]\]',
        ),
        ([[-1, 0], 1, 'FADE', [2]], 'FADE blends its guide of 64 channels .*; set gate=False'),
    ],
)
def test_wrong_rows(row, told):
    with pytest.raises(ValueError, match=told) as error:
        parse(row)
    text = str(error.value)
    assert text.startswith(f'Row 2, {row}') and '\n' not in text
    # one sentence, which may end with a question
    assert text[-1] in '.?' and '. ' not in text.replace('ultralytics.nn.', '')


def test_an_unknown_argument():
    with pytest.raises(TypeError, match="Row 2, .*: DySample takes no argument 'dyscop'"):
        parse([-1, 1, 'DySample', [2, {'dyscop': True}]])


def test_a_source_that_is_not_there_yet():
    rows = ([-1, 1, 'DySample', [2]], [[-1, 0], 1, 'Concat', [1]])
    with pytest.raises(ValueError, match=r'it takes from row 3, but .* is 2; .* \[-1, 2\]'):
        parse(rows[0], [[-1, 3], 1, 'Concat', [1]])
    with pytest.raises(ValueError, match=r'Row 4, .* probably \[2, 3\]'):
        parse(*rows, [[3, 4], 1, 'Detect', ['nc']])
    with pytest.raises(ValueError, match='Row 2, .* this is probably 1'):
        parse([2, 1, 'nn.Identity', []])


def test_a_head_that_an_inserted_row_left_behind():
    with pytest.warns(UserWarning, match=r'from a Concat .* probably take \[4\]'):
        parse(
            [-1, 1, 'DySample', [2]],
            [[-1, 0], 1, 'Concat', [1]],
            [-1, 1, 'Conv', [64, 1]],
            [[3], 1, 'Detect', ['nc']],
        )


def test_other_errors_of_the_parser_stay_what_they_are():
    with pytest.raises((TypeError, IndexError)):
        parse([-1, 1, 'Conv', []])


def test_an_edited_source_gives_way(monkeypatch):
    class DySample(mmdyup.CARAFE):
        pass

    monkeypatch.setattr(tasks, 'DySample', DySample, raising=False)
    with pytest.warns(UserWarning, match='has a DySample of its own .* not round up to 8'):
        model, _ = parse([-1, 1, 'DySample', [2]])
    assert type(model[2]) is mmdyup.DySample and model[2].scale_factor == 2


def test_modules_replaced_by_hand(data, stock):
    model = YOLO(f'{stock}.yaml')
    i = next(k for k, layer in enumerate(model.model.model) if 'Upsample' in layer.type)
    model.model.model[i] = mmdyup.DySample(256)
    told = rf'Layer {i} was given a DySample by hand, .* which says nn.Upsample there'
    # refused at once, so that nothing is trained
    with pytest.warns(UserWarning, match=told), pytest.raises(Exception):  # noqa: B017
        model.train(data=data, epochs='none')
    ours = YOLO(upsampled(f'{stock}.yaml', 'DySample'))
    with warnings.catch_warnings(record=True) as caught, pytest.raises(Exception):  # noqa: B017
        ours.train(data=data, epochs='none')
    assert not any('by hand' in str(w.message) for w in caught)


def test_a_parser_that_is_not_known():
    def parse_model(d, ch):
        return d, ch

    fake = types.ModuleType('tasks')
    fake.parse_model, fake.Conv, fake.LOGGER = parse_model, object, object
    with pytest.warns(UserWarning, match="parses a model's yaml in a way that mmdyup does not"):
        patches.patch_tasks(fake)
    assert fake.parse_model is parse_model


def test_a_parser_that_looks_like_the_known_one(monkeypatch):
    # it has no local variable of this name any more
    def parse_model(d, ch, verbose):
        for row in (*d['backbone'], *d['head']):
            getattr(tasks, row[2])(*row[3])

    from mmdyup.ultralytics import parser

    fake = types.ModuleType('tasks')
    fake.parse_model, fake.LOGGER = parse_model, tasks.LOGGER
    wrapped = parser.wrap(fake)
    with pytest.raises(RuntimeError, match='in a way that mmdyup does not know'):
        wrapped(dict(backbone=[[-1, 1, 'DySample', [2]]], head=[]), 3, False)
    assert fake.LOGGER is tasks.LOGGER
