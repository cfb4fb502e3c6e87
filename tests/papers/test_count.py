import pytest
from torch import nn

from mmdyup.papers.count import Count, count
from mmdyup.papers.published import load_table
from mmdyup.papers.reproduce import Reproduction
from mmdyup.upsamplers import build_upsampler


class Model(nn.Module):
    """A frozen convolution, a norm, two upsamplers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1).requires_grad_(False)
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.Sequential(
            build_upsampler(dict(type='deconv'), 8), build_upsampler(dict(type='nearest'), 8)
        )

    def forward(self, x):
        return self.up(self.norm(self.stem(x)))


def test_by_every_convention():
    found = count(Model().eval(), (1, 3, 4, 5), scale=10)
    pixels = 4 * 5
    products = pixels * (3 * 8 + 9 * 8 * 8)
    # the norm two an element, nearest upsampling one an element of its result
    minor = pixels * 8 * (2 + 16)
    assert found == Count(32 + 16 + 584, 16 + 584, 8, 10 * (products + minor), 10 * products)
    assert found.by_parameters() == {
        'all': 632,
        'trainable': 600,
        'all, no biases': 624,
        'trainable, no biases': 592,
    }
    assert found.by_flops() == {'all': 10 * (products + minor), 'products': 10 * products}


@pytest.mark.parametrize('name', ['carafe_2x', 'dlu_2x', 'dlu_4x', 'dlu_16x'])
def test_one_operator_comes_out_as_printed(name, tmp_path):
    table = load_table('one_operator')
    (result,) = Reproduction(tmp_path, tmp_path).run(table, [table.row(name)], lambda doing: None)
    for kind in ('params', 'flops'):
        verdict = result.verdicts[kind]
        assert (verdict.status, verdict.convention, verdict.how) == ('agrees', 'all', 'rounded')
