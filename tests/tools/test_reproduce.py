"""tools/reproduce.py as a person uses it."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from papers import cli
from papers.published import load_table
from papers.reproduce import Reproduction

pytestmark = pytest.mark.usefixtures('elsewhere')

ROOT = Path(__file__).resolve().parents[2]

main = runpy.run_path(str(ROOT / 'tools/reproduce.py'))['main']


@pytest.fixture
def edited(monkeypatch):
    """Has the tool read a table that was changed."""

    def edit(name, **changes):
        table = replace(load_table(name), **changes)
        monkeypatch.setattr(
            cli, 'load_table', lambda other: table if other == name else load_table(other)
        )
        return table

    return edit


def status(*argv):
    with pytest.raises(SystemExit) as stop:
        main(list(argv))
    return stop.value.code


def test_one_operator(capsys):
    assert status('--row', 'carafe_2x', 'dlu_16x') == 0
    folder = Path('work_dirs/reproduce')
    data = json.loads((folder / 'reproduce.json').read_text())
    assert data['command'] == 'python tools/reproduce.py --row carafe_2x dlu_16x'
    assert set(data['versions']) >= {'torch', 'mmengine', 'mmdyup'}
    (table,) = data['tables']
    carafe, dlu = table['rows']
    assert carafe['count']['parameters'] == 74_148 and carafe['count']['flops'] == 199_168
    assert dlu['verdicts']['params']['entry'] == '-91%'
    assert dlu['baseline']['parameters'] == 3_709_248
    text = (folder / 'reproduce.md').read_text()
    assert 'Of 4 published numbers 4 come out as printed' in text
    assert text.strip() in capsys.readouterr().out
    assert not (folder / 'reproduce.png').exists()


def test_a_number_that_disagrees_is_told_by_the_exit_status(edited, capsys):
    row = load_table('one_operator').row('carafe_2x')
    edited('one_operator', rows=(replace(row, params='75K'),))
    assert status('--table', 'one_operator', '--out', 'out') == 1
    out = capsys.readouterr().out
    assert '- carafe_2x, parameters: published 75K, computed 74,148' in out


@pytest.mark.slow
def test_a_row_of_faster_rcnn_with_a_run_of_its_own(edited, capsys):
    pytest.importorskip('mmdet')
    from mmengine.config import Config

    edited('faster_rcnn', picture=(64, 64))
    name = 'faster_rcnn_dysample'
    run = Path('runs') / name / '20260101_000000/vis_data'
    run.mkdir(parents=True)
    Config.fromfile(ROOT / f'configs/{name}.py').dump(run / 'config.py')
    (run / 'scalars.json').write_text('{"coco/bbox_mAP": 0.385, "step": 12}')
    assert status('--row', name, '--work-dirs', 'runs', '--out', 'out') == 0
    data = json.loads(Path('out/reproduce.json').read_text())
    (row,) = data['tables'][0]['rows']
    assert row['count']['parameters'] - row['baseline']['parameters'] == 4 * (8_192 + 32)
    assert row['baseline']['trainable'] == 46_836_640
    verdict = row['verdicts']['params']
    assert (verdict['convention'], verdict['how']) == ('all, no biases', 'truncated')
    assert row['measured'] == {'AP': pytest.approx(38.5)}
    assert '38.6 → 38.5' in capsys.readouterr().out
    assert cv2.imread('out/reproduce.png').std() > 0


def test_a_gain_needs_the_run_of_its_baseline(tmp_path, monkeypatch):
    from papers import reproduce
    from papers.scores import Run

    table = load_table('libra_rcnn')
    runs = {'libra_rcnn_dlu': Run('run', 'a', 'tested', {'AP': 39.0})}
    monkeypatch.setattr(reproduce, 'find_run', lambda folder, *others: runs.get(folder.name, Run()))
    monkeypatch.setattr(Reproduction, '_why_not', lambda self, table, row: None)
    monkeypatch.setattr(Reproduction, '_count', lambda self, table, row: None)

    def measured():
        (result,) = Reproduction(tmp_path, tmp_path).run(
            table, [table.row('libra_rcnn_dlu')], lambda doing: None
        )
        return result.measured

    assert measured() == {}
    runs['libra_rcnn_nearest'] = Run('run', 'b', 'tested', {'AP': 38.25})
    assert measured() == {'AP': 0.75}


def test_rows_that_cannot_be_computed(tmp_path):
    table = load_table('upernet_r50')
    rows = [table.row(f'upernet_r50_{name}') for name in ('deconv', 'carafe')]
    deconv, carafe = Reproduction(tmp_path, tmp_path).run(table, rows, lambda doing: None)
    assert 'no config' in deconv.left_out
    assert carafe.left_out == 'the config upernet_r50_carafe.py is missing'
    assert not carafe.verdicts and carafe.run.status == 'not run'


def test_what_is_wrong_is_said_in_a_sentence():
    for argv, words in (
        (['--table', 'fast_rcnn'], 'There is no table fast_rcnn; choose from one'),
        (['--row', 'panoptic_fpn_dysampel'], 'are panoptic_fpn_dysample, panoptic'),
        (
            ['--table', 'libra_rcnn', '--row', 'carafe_2x'],
            'There is no row carafe_2x in the table libra_rcnn; rows are called',
        ),
    ):
        message = status(*argv)
        assert words in message and '\n' not in message and message.endswith('.')
    Path('taken').write_text('')
    assert 'cannot be made' in status('--out', 'taken')
