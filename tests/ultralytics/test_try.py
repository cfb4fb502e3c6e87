import pytest

pytest.importorskip('ultralytics', reason='Ultralytics is not installed')

import try_ultralytics  # noqa: E402


def test_the_table():
    runs = [dict(parameters=1000, map50=m, map=m / 2) for m in (0.1, 0.2, 0.3)]
    assert try_ultralytics.table({'stock': runs, 'DLU': runs[:1]})[2:] == [
        '| stock | 1,000 | 0.200 ± 0.100 | 0.100 ± 0.050 | 0.100, 0.200, 0.300 |',
        '| DLU | 1,000 | 0.100 | 0.050 | 0.100 |',
    ]


def test_the_rows_are_models(stock):
    from ultralytics.nn import tasks

    from mmdyup.ultralytics import upsampled

    for options in filter(None, try_ultralytics.ROWS.values()):
        tasks.DetectionModel(upsampled(f'{stock}.yaml', **options), verbose=False)
