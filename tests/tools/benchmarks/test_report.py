import pytest

from benchmarks.case import Case
from benchmarks.measure import Measured, Spread, Timing
from benchmarks.report import number, spread_text, sweep_markdown, table_markdown
from benchmarks.tables import Entry, Row, Sweep, Table


@pytest.mark.parametrize(
    'value, text',
    [
        (0, '0'),
        (1234567, '1,234,567'),
        (123.4, '123'),
        (12.34, '12.3'),
        (1.5, '1.50'),
        (0.01234, '0.0123'),
        (0.00000123, '0.00000123'),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_a_spread():
    assert spread_text(Spread(0.001, 0.0012, 0.01), 1000) == '1.20 (1.00–10.0)'


def measured(seconds, ratio, peak):
    return Measured(
        *(Timing(Spread(*[i * seconds] * 3), Spread(*[ratio] * 3), [], i * peak) for i in (1, 10))
    )


def cells(line):
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_a_table():
    table = Table(
        Case(8, 4, 4),
        'bilinear',
        2_000_000,
        [Row('carafe', 74148, 199_168_000_000, measured(0.5, 2, 3_000_000))],
        {'deconv': 'RuntimeError: no'},
    )
    text = table_markdown(table)
    assert text.startswith('## 8×4×4 at 2×, float32, contiguous, cpu\n')
    assert 'The result, 2.00 MB' in text and '- deconv: RuntimeError: no' in text
    head, rule, row = (line for line in text.splitlines() if line.startswith('|'))
    assert len(head) == len(rule) == len(row)
    assert cells(head)[4] == cells(head)[7] == '× bilinear'
    assert cells(row) == [
        'carafe',
        '74,148',
        '199',
        '500 (500–500)',
        '2.00 (2.00–2.00)',
        '3.00',
        '5,000 (5,000–5,000)',
        '2.00 (2.00–2.00)',
        '30.0',
    ]


def test_a_sweep():
    sweep = Sweep(
        'reassembly',
        'k',
        Case(8, 4, 4),
        [Entry('3', 1, measured(0.1, 1, 0)), Entry('5', 25 / 9, measured(0.3, 3, 0))],
        {},
    )
    lines = [cells(line) for line in sweep_markdown(sweep).splitlines() if line.startswith('|')]
    assert lines[0][0] == 'k' and lines[0][3] == '× 3'
    assert lines[3][:4] == ['5', '2.78', '300 (300–300)', '3.00 (3.00–3.00)']
