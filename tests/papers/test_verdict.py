from mmdyup.papers.published import Note
from mmdyup.papers.verdict import Verdict, judge

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
