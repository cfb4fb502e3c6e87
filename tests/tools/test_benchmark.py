"""tools/benchmark.py as a person uses it."""

import itertools
import json
import runpy
from functools import partial
from pathlib import Path

import cv2
import pytest
import torch

from benchmarks.case import Case, Subject
from benchmarks.cli import cases_of, make_parser, rounds_of, rows_of
from benchmarks.rows import ROWS
from benchmarks.tables import points_of

pytestmark = pytest.mark.usefixtures('elsewhere')

TINY = ['--size', '8x4x4', '--rounds', '3', '--device', 'cpu']


main = runpy.run_path(str(Path(__file__).parents[2] / 'tools/benchmark.py'))['main']


def args(*words):
    return make_parser().parse_args(words)


def sentence(*argv):
    with pytest.raises(SystemExit) as stop:
        main([*TINY, *argv])
    message = stop.value.code
    assert isinstance(message, str) and '\n' not in message and message.endswith('.')
    return message


def test_a_tiny_run(capsys):
    main([*TINY, '--ratio', '2', '3', '--rows', 'carafe', 'reassembly_unfold', '--out', 'out'])
    data = json.loads(Path('out/benchmark.json').read_text())
    assert data['command'].startswith('python tools/benchmark.py --size 8x4x4')
    assert data['machine']['torch'] == torch.__version__ and data['machine']['cores'] >= 1
    assert [table['case']['ratio'] for table in data['tables']] == [2, 3]
    table = data['tables'][0]
    assert table['result_bytes'] == 8 * 8 * 8 * 4 and table['left_out'] == {}
    rows = {row['name']: row for row in table['rows']}
    assert list(rows) == ['bilinear', 'carafe', 'reassembly_unfold']
    for direction in ('forward', 'forward_backward'):
        base = rows['bilinear']['measured'][direction]
        assert base['ratio'] == dict(q1=1, median=1, q3=1)
        own = rows['carafe']['measured'][direction]
        assert len(own['samples']) == 3 and own['seconds']['median'] == sorted(own['samples'])[1]
        expected = sorted(a / b for a, b in zip(own['samples'], base['samples'], strict=True))
        assert own['ratio']['median'] == pytest.approx(expected[1])
        # the 25-fold feature at the upsampled size, and its product with the kernels
        unfold = rows['reassembly_unfold']['measured'][direction]
        assert unfold['peak_bytes'] >= 50 * table['result_bytes']
    text = Path('out/benchmark.md').read_text()
    assert '## 8×4×4 at 2×' in text and '## 8×4×4 at 3×' in text and '| carafe' in text
    assert text.strip() in capsys.readouterr().out
    assert cv2.imread('out/benchmark.png').std() > 0


def test_a_sweep(capsys):
    main(['--size', '32x8x8', '--rounds', '1', '--device', 'cpu', '--sweep', '--out', 'out'])
    data = json.loads(Path('out/sweep.json').read_text())
    found = {
        (sweep['row'], sweep['axis']): [entry['linear'] for entry in sweep['entries']]
        for sweep in data['sweeps']
    }
    for row in ('reassembly', 'dysample'):
        assert found[row, 'H·W'] == [1, 4, 16]
        assert found[row, 'C'] == [1, 2, 4, 8]
        assert found[row, 's'] == [1, 4, 16]
    assert found['reassembly', 'k'] == [1, 25 / 9, 49 / 9]
    assert '## reassembly, growing k' in capsys.readouterr().out


def test_a_sweep_has_as_many_flops_as_it_says():
    points = points_of(Case(32, 8, 8))
    for axis in ('H·W', 'C', 's', 'k'):
        first, *others = points['reassembly', axis]
        for point in others:
            assert point.subject.flops * first.count == first.subject.flops * point.count


def refuses(case, error):
    def run(x):
        raise error

    return Subject(run, 0)


def test_a_row_that_cannot_run_is_left_out_with_its_reason(monkeypatch):
    monkeypatch.setitem(ROWS, 'dlu', partial(refuses, error=NotImplementedError('no code\nat all')))
    main([*TINY, '--rows', 'dlu', 'nearest', '--out', 'out'])
    (table,) = json.loads(Path('out/benchmark.json').read_text())['tables']
    assert [row['name'] for row in table['rows']] == ['bilinear', 'nearest']
    assert table['left_out'] == {'dlu': 'NotImplementedError: no code'}
    message = sentence('--rows', 'nearest', '--baseline', 'dlu')
    assert 'The baseline dlu does not run' in message and '--baseline' in message


def test_what_is_wrong_is_said_in_a_sentence():
    assert 'There is no row dysampel' in sentence('--rows', 'dysampel')
    assert 'There is no row linear' in sentence('--baseline', 'linear')
    assert 'must divide the 6 channels' in sentence('--size', '6x4x4', '--rows', 'dysample')
    for size in ('6x4', '0x4x4', '8x4x4x4', 'x', '8x-4x4'):
        assert '256x120x120' in sentence(f'--size={size}')
    assert '--ratio must be 1 or more' in sentence('--ratio', '0')
    assert '--rounds must be 1 or more' in sentence('--rounds', '0')
    assert 'larger --size' in sentence('--sweep', '--size', '32x2x2')
    Path('taken').write_text('')
    assert 'cannot be made' in sentence('--out', 'taken')


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a CUDA device')
def test_no_cuda():
    assert 'no CUDA device' in sentence('--device', 'cuda')


def test_the_papers_case_is_the_default():
    (case,) = cases_of(args('--device', 'cpu'))
    assert case == Case(256, 120, 120, 2, 1, 'float32', 'contiguous', 'cpu')
    quick = args('--quick')
    assert cases_of(quick)[0].cells < case.cells and rounds_of(quick) < rounds_of(args())
    assert cases_of(args('--quick', '--size', '8x2x3'))[0].width == 3
    assert rounds_of(args('--quick', '--rounds', '9')) == 9


def test_every_combination_is_a_case():
    found = cases_of(
        args(
            '--size',
            '8x2x2',
            '8x4x4',
            '--ratio',
            '2',
            '4',
            '--dtype',
            'float32',
            'bfloat16',
            '--layout',
            'contiguous',
            'channels_last',
        )
    )
    combinations = {(case.height, case.ratio, case.dtype, case.layout) for case in found}
    assert len(found) == 16 and combinations == set(
        itertools.product((2, 4), (2, 4), ('float32', 'bfloat16'), ('contiguous', 'channels_last'))
    )


def test_compiled_rows():
    case = Case(8, 4, 4)
    assert rows_of(args('--rows', 'dlu', '--compile', '--baseline', 'dlu:compiled'), case) == [
        'dlu',
        'dlu:compiled',
    ]
    assert rows_of(args('--rows', 'dlu', 'dlu'), case) == ['bilinear', 'dlu']
    with pytest.raises(ValueError, match='no row linear:compiled'):
        rows_of(args('--rows', 'linear:compiled'), case)


def test_one_graph_or_not_at_all(monkeypatch):
    def breaks(x):
        torch._dynamo.graph_break()
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    monkeypatch.setitem(ROWS, 'dlu', lambda case: Subject(breaks, 0))
    main([*TINY, '--rows', 'dlu', 'dlu:compiled', '--out', 'out'])
    (table,) = json.loads(Path('out/benchmark.json').read_text())['tables']
    assert [row['name'] for row in table['rows']] == ['bilinear', 'dlu']
    assert list(table['left_out']) == ['dlu:compiled']
