import pytest

from papers.published import Note
from papers.verdict import Verdict, agreement, judge

NEAREST = {'all': 1000, 'no biases': 1000}
# four DySample upsamplers: 32,768 weights and 128 biases
DYSAMPLE = {'all': 33_896, 'no biases': 33_768}


def test_the_convention_that_comes_out():
    assert judge('+32.9K', DYSAMPLE, NEAREST) == Verdict(
        '+32.9K', 'agrees', 32_896, 'all', 'rounded'
    )
    assert judge('+32.7K', DYSAMPLE, NEAREST) == Verdict(
        '+32.7K', 'agrees', 32_768, 'no biases', 'truncated'
    )
    assert judge('33,768', DYSAMPLE, NEAREST).computed == 33_768


def test_rounding_by_any_convention_goes_before_truncation():
    # 32.8 is 32,896 truncated, but 32,768 rounded
    assert judge('+32.8K', DYSAMPLE, NEAREST) == Verdict(
        '+32.8K', 'agrees', 32_768, 'no biases', 'rounded'
    )


def test_a_number_that_does_not_come_out():
    assert judge('+33K', {'all': 40_000}, {'all': 1}) == Verdict('+33K', 'disagrees', 39_999, 'all')


def test_a_note_explains_one_number_and_no_other():
    note = Note('+32.9K', 'a misprint')
    assert judge('+44K', DYSAMPLE, NEAREST, note) == Verdict(
        '+44K', 'explained', 32_896, 'all', 'rounded', 'a misprint'
    )
    assert judge('+44K', {'all': 50_000}, NEAREST, note).status == 'disagrees'
    assert judge('+32.7K', DYSAMPLE, NEAREST, note).status == 'agrees'


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
