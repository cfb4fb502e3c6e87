import pytest

from mmdyup.papers.printed import agreement


@pytest.mark.parametrize(
    'entry, value, how',
    [
        ('46.8M', 46_836_640, 'rounded'),
        ('46.8M', 47_061_984, None),
        ('46.8M', 46_750_000, 'rounded'),
        ('46.8M', 46_749_999, None),
        ('46.8M', 46_899_999, 'truncated'),
        ('46.8M', 46_900_000, None),
        ('199K', 199_168, 'rounded'),
        ('199K', 199_999, 'truncated'),
        ('199K', 200_000, None),
        ('74,148', 74_148, 'rounded'),
        ('74,148', 74_149, None),
        ('15.9G', 15_876_000_000, 'rounded'),
        ('15.9G', 15.84e9, None),
    ],
)
def test_at_the_printed_digits(entry, value, how):
    assert agreement(entry, value) == how


@pytest.mark.parametrize(
    'entry, value, baseline, how',
    [
        ('+32.7K', 32_768 + 100, 100, 'truncated'),
        ('+32.7K', 32_896, 0, None),
        ('+65.5K', 65_536, 0, 'rounded'),
        ('+2.4M', 2_360_320, 0, 'rounded'),
        ('+0.6 MB', 4 * 35_489, 0, 'rounded'),
        ('+0.6 MB', 100_000, 0, None),
        ('-91%', 326_297, 3_709_248, 'rounded'),
        ('-63%', 3_979_392, 10_682_368, 'rounded'),
        ('-90%', 326_297, 3_709_248, None),
        ('+91%', 326_297, 3_709_248, None),
    ],
)
def test_against_a_baseline(entry, value, baseline, how):
    assert agreement(entry, value, baseline) == how


def test_what_is_not_an_entry():
    for entry in ('', 'about 3M', '3.M', '3 T', '--3M'):
        with pytest.raises(ValueError, match="looks like '46.8M'"):
            agreement(entry, 3)
    with pytest.raises(ValueError, match='refers to a baseline'):
        agreement('+3M', 3_000_000)
