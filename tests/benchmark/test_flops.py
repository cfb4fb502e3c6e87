import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mmdyup.benchmark import flops
from mmdyup.benchmark.case import Case
from mmdyup.benchmark.rows import build

# per low-resolution pixel at C = 256, as the CARAFE and DLU papers count
PAPERS = [
    (2, 199_168, 122_784),
    (4, 698_368, 306_432),
    (8, 2_695_168, 1_041_024),
    (16, 10_682_368, 3_979_392),
]


@pytest.mark.parametrize('s, carafe, dlu', PAPERS)
def test_the_papers_numbers(s, carafe, dlu):
    assert flops.carafe(256, s) == carafe
    assert flops.dlu(256, s) == dlu


# multiply-adds that six 2× upsamplers of 256 channels add to SegFormer-B1 at 512×512, in units of
# 10⁹, as the authors of FADE, SAPA and DySample print them
SEGFORMER_CELLS = 16**2 + 2 * 32**2 + 3 * 64**2


@pytest.mark.parametrize(
    'count, printed',
    [
        (flops.carafe, '1.45'),
        (flops.fade, '2.65'),
        (flops.sapa, '1.02'),
        (flops.pixel_shuffle, '34.43'),
    ],
)
def test_the_numbers_of_segformer(count, printed):
    assert f'{count(256, 2) / 2 * SEGFORMER_CELLS / 1e9:.2f}' == printed


def test_a_row_counts_all_pixels_of_the_batch():
    assert build('carafe', Case(256, 3, 5, batch=2)).flops == 2 * 3 * 5 * 199_168


# what the convolutions of a row leave: bilinear samples and reassembly, counted by hand
@pytest.mark.parametrize(
    'name, rest',
    [
        ('nearest', 0),
        ('bilinear', 32 * 4 * 8),
        ('deconv', 0),
        ('pixel_shuffle', 0),
        ('dysample', 32 * 4 * 8),
        ('dysample_plus', 32 * 4 * 8),
        ('dysample_s', 32 * 4 * 8),
        ('dysample_s_plus', 32 * 4 * 8),
        ('dysample_grid_sample', 32 * 4 * 8),
        ('point_sample', 32 * 4 * 8),
        ('carafe', 32 * 25 * 4 * 2),
        ('reassembly', 32 * 25 * 4 * 2),
        ('reassembly_unfold', 32 * 25 * 4 * 2),
        ('dlu', 32 * 25 * 4 * 2 + 25 * 4 * 8),
        ('fade', 32 * 25 * 4 * 2 + 32 * 4 * 4),
        ('sapa', 32 * 25 * 4 * 2 + 32 * 25 * 4 * 2),
    ],
)
def test_convolutions_as_pytorch_counts_them(name, rest):
    case = Case(32, 6, 5)
    subject = build(name, case)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        subject.run(case.feature(), *subject.extras())
    convolutions = counter.get_flop_counts().get('Global', {}).get(torch.ops.aten.convolution, 0)
    assert subject.flops == convolutions + rest * 6 * 5


@pytest.mark.parametrize('k, s', [(3, 2), (7, 4)])
def test_reassembly_of_other_kernels(k, s):
    assert flops.reassembly(8, s, k) == 2 * 8 * k * k * s * s
