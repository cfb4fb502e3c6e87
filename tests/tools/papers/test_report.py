from dataclasses import replace

import cv2
import pytest

from papers.count import Count
from papers.published import Metric, Row, Table
from papers.report import plot_scores, summary, table_markdown
from papers.reproduce import Result
from papers.scores import Run
from papers.verdict import Verdict

BASE = Count(2_000_000, 1_900_000, 0, 15.9e9, 15.8e9)
OWN = Count(2_032_896, 1_932_896, 128, 16.9e9, 16.7e9)


def table(*rows):
    return Table(
        'made_up',
        'Made up, 1×',
        'Nobody, nowhere',
        'Trainable parameters.',
        'mmdet',
        (8, 8),
        {'AP': Metric('coco/bbox_mAP', 100, 1)},
        rows,
    )


NEAREST = Row('x_nearest', 'nearest', params='1.9M', scores={'AP': '37.5'})
DYSAMPLE = Row(
    'x_dysample', 'DySample', 'x_nearest', params='+32.7K', flops='+2.0G', scores={'AP': '+0.9'}
)
MISSING = Row('x_lost', 'lost', 'x_nearest', params='+1K')
RESULTS = [
    Result(
        NEAREST,
        None,
        BASE,
        None,
        {'params': Verdict('1.9M', 'agrees', 1_900_000, 'trainable', 'rounded')},
        Run(),
        {},
    ),
    Result(
        DYSAMPLE,
        None,
        OWN,
        BASE,
        {
            'params': Verdict('+32.7K', 'agrees', 32_768, 'all, no biases', 'truncated'),
            'flops': Verdict('+2.0G', 'disagrees', 1e9, 'all'),
        },
        Run('run', 'work_dirs/x_dysample/1', 'validated at step 12', {'AP': 38.5}),
        {'AP': 1.0},
    ),
    Result(MISSING, 'the config x_lost.py is missing', None, None, {}, Run(), {}),
]


def grids(text):
    lines = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in text.splitlines()
        if line.startswith('|')
    ]
    heads = [i - 1 for i, line in enumerate(lines) if set(''.join(line)) <= set('-:')]
    return lines[: heads[1]], lines[heads[1] :]


def test_a_table():
    text = table_markdown(table(NEAREST, DYSAMPLE, MISSING), RESULTS)
    assert text.startswith('## Made up, 1×\n\nNobody, nowhere. Trainable parameters.\n')
    computed, accuracy = grids(text)
    assert computed[0] == [
        '',
        'parameters',
        'trainable',
        'adds',
        'without biases',
        'published',
        'comes out as',
        'FLOPs',
        'adds',
        'published',
        'comes out as',
    ]
    assert computed[2] == [
        'nearest',
        '2,000,000',
        '1,900,000',
        '',
        '',
        '1.9M',
        '1,900,000 (trainable)',
        '15.90G',
        '',
        '',
        '',
    ]
    assert computed[3] == [
        'DySample',
        '2,032,896',
        '1,932,896',
        '+32,896',
        '+32,768',
        '+32.7K',
        '+32,768 (all, no biases; truncated)',
        '16.90G',
        '+1.00G',
        '+2.0G',
        'no: +1.00G',
    ]
    assert computed[4] == ['lost', '', '', '', '', '+1K', '', '', '', '', '']
    assert '- lost: the config x_lost.py is missing.' in text
    assert accuracy[0] == ['', 'run', 'AP'] and accuracy[2] == ['nearest', 'not run', '37.5']
    assert accuracy[3] == [
        'DySample',
        'work_dirs/x_dysample/1, validated at step 12',
        '+0.9 → +1.0',
    ]


def test_the_last_validation_stands_behind_the_best():
    run = Run('run', 'a', 'validated at step 3; best of 3 at step 2', {'AP': 38.5}, {'AP': 38.1})
    result = Result(NEAREST, None, BASE, None, {}, run, run.scores)
    _, accuracy = grids(table_markdown(table(NEAREST), [result]))
    assert accuracy[2] == ['nearest', f'a, {run.at}', '37.5 → 38.5 (last 38.1)']


def test_remarks_stand_below_the_scores():
    text = table_markdown(replace(table(NEAREST), remarks=['One.', 'Two.']), RESULTS[:1])
    assert text.endswith('|\n\nOne.\n\nTwo.')


def test_columns_without_anything_are_left_out():
    result = Result(NEAREST, None, BASE, None, {}, Run(), {})
    computed, _ = grids(table_markdown(table(NEAREST), [result]))
    assert computed[0] == ['', 'parameters', 'trainable', 'published', 'FLOPs']


def test_what_is_explained_stands_below():
    verdict = Verdict('1.9M', 'explained', 2_000_000, 'all', 'rounded', 'a misprint')
    result = Result(NEAREST, None, BASE, None, {'params': verdict}, Run(), {})
    text = table_markdown(table(NEAREST), [result])
    assert 'no: 2,000,000, see below' in text and '- nearest, parameters: a misprint.' in text


def test_the_summary_names_what_disagrees():
    assert summary([(table(), RESULTS)]) == (
        'Of 3 published numbers 2 come out as printed, 0 do not for a reason that is known, 1 '
        'disagree.\n- x_dysample, FLOPs: published +2.0G, computed +1.00G'
    )


def test_a_picture_of_what_was_run(tmp_path):
    path = tmp_path / 'bars.png'
    assert not plot_scores([(table(), RESULTS[:1])], path) and not path.exists()
    assert plot_scores([(table(), RESULTS), (table(), RESULTS[:1])], path)
    picture = cv2.imread(str(path))
    assert picture.std() > 0 and picture.shape[1] == pytest.approx(8 * 120)
