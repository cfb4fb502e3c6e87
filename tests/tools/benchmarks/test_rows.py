import pytest
import torch

from benchmarks.case import Case
from benchmarks.rows import (
    ROWS,
    GridSampleDySample,
    build,
    grid_sample_attend,
    unfold_reassembly,
    usual_rows,
)
from mmdyup import DySample, list_upsamplers
from mmdyup.ops import attend, backends, carafe
from mmdyup.testing import needs_operators_in_graphs

# at C = 256 and 2×; the papers' counts, those of DySample with biases
PARAMETERS = {
    'nearest': 0,
    'bilinear': 0,
    'deconv': 256 * 256 * 9 + 256,
    'pixel_shuffle': 4 * (256 * 256 * 9 + 256),
    'carafe': 74_148,
    'dlu': 35_489,
    'fade': 47_514,
    'fade_no_gate': 47_514 - (256 + 1),
    # encoder and compressors of 25 channels, and the gate
    'fade_lite': (9 * 25 + 25) + (2 * 256 * 25 + 25) + (256 + 1),
    'sapa': 17_472,
    'sapa_d': 139_808,
    'sapa_g': 17_472 + (256 * 32 + 32) + (256 + 1),
    'sapa_i': 4 * 256,
    'frfu': 21_074,
    'lda_aqu': 39_410,
    'freqfusion': 104_690,
    'indexnet': 2_100_224,
    'a2u': 10_790,
    'dysample': 8_192 + 32,
    'dysample_plus': 16_384 + 32,
    'dysample_s': 1_024 + 16,
    'dysample_s_plus': 2_048 + 16,
    'dysample_grid_sample': 8_192 + 32,
    'point_sample': 0,
    'attend': 0,
    'attend_grid_sample': 0,
    'reassembly': 0,
    'reassembly_unfold': 0,
}
NATIVE = {'point_sample_native', 'reassembly_native', 'attend_native'}


def test_parameters():
    case = Case(256, 2, 2)
    assert {name: build(name, case).parameter_count for name in PARAMETERS} == PARAMETERS


@pytest.mark.parametrize('built', [True, False])
def test_rows_of_a_cpu_are_all_but_mmcvs_and_no_way_comes_twice(built, monkeypatch):
    monkeypatch.delenv('MMDYUP_BACKEND', raising=False)
    monkeypatch.setattr(backends, 'HAS_CPP', built)
    left_out = {'reassembly_mmcv'} if built else {'reassembly_mmcv', *NATIVE}
    assert set(usual_rows(Case(8, 4, 4))) == set(ROWS) - left_out


def test_every_published_upsampler_is_a_row():
    assert set(ROWS) == {*list_upsamplers(), *PARAMETERS, *NATIVE, 'reassembly_mmcv'}


def samples(case):
    """Whether PyTorch's own grid_sample takes the dtype: 2.1 does not on the CPU."""
    x = case.feature()
    try:
        torch.nn.functional.grid_sample(x, x.new_zeros(2, 1, 1, 2), align_corners=False)
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize(
    'dtype, layout',
    [('float32', 'contiguous'), ('bfloat16', 'channels_last'), ('float64', 'channels_last')],
)
@pytest.mark.parametrize('ratio', [1, 2, 3])
def test_every_row_upsamples(dtype, layout, ratio, device):
    case = Case(288, 4, 3, ratio, batch=2, dtype=dtype, layout=layout, device=device)
    for name in usual_rows(case):
        if name.endswith('grid_sample') and not samples(case):
            continue
        subject = build(name, case)
        y = subject.run(case.feature(), *subject.extras())
        assert y.shape == (2, 288, 4 * ratio, 3 * ratio), name
        assert y.dtype == getattr(torch, dtype) and y.device.type == device, name


def test_the_feature_has_the_layout():
    x = Case(8, 4, 3, layout='channels_last', dtype='float16').feature()
    assert x.shape == (1, 8, 4, 3) and x.dtype == torch.float16
    assert x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def test_given_kernels_sum_to_one_and_given_offsets_stand_around_the_start():
    case = Case(8, 40, 40, dtype='float64')
    (kernels,) = build('reassembly', case).extras()
    assert kernels.shape == (1, 25, 80, 80)
    torch.testing.assert_close(kernels.sum(1), torch.ones(1, 80, 80, dtype=torch.float64))
    (offsets,) = build('point_sample', case).extras()
    assert offsets.shape == (1, 32, 40, 40)
    # place 0 of a cell at 2×: a quarter of a pixel to the left
    assert offsets[0, 0].mean() == pytest.approx(-0.25, abs=0.05)


def test_the_guide_lies_at_the_upsampled_size():
    (guide,) = build('fade', Case(8, 4, 3, 3, batch=2, dtype='float64')).extras()
    assert guide.shape == (2, 8, 12, 9) and guide.dtype == torch.float64


@needs_operators_in_graphs
def test_a_compiled_row_is_the_same_row():
    case = Case(8, 4, 4)
    plain, compiled = build('dysample', case), build('dysample:compiled', case)
    assert (compiled.parameter_count, compiled.flops) == (plain.parameter_count, plain.flops)
    assert type(compiled.run) is not type(plain.run)


def test_errors():
    with pytest.raises(ValueError, match='There is no row dysampel; choose from nearest, .*'):
        build('dysampel', Case(8, 4, 4))
    with pytest.raises(
        ValueError,
        match=r'row dysample .*6×4×4 at 2×.* must divide the 6 channels '
        r'evenly; .*--rows\.$',
    ):
        build('dysample', Case(6, 4, 4))
    with pytest.raises(ValueError, match='row reassembly_mmcv .*CUDA code only'):
        build('reassembly_mmcv', Case(8, 4, 4))


@pytest.mark.parametrize('k, s', [(3, 2), (5, 3), (5, 1)])
def test_unfolding_gives_the_reassembly(k, s):
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    kernels = torch.randn(2, k * k, 3 * s, 5 * s, dtype=torch.float64)
    expected = carafe(x, kernels, scale_factor=s, backend='reference')
    torch.testing.assert_close(unfold_reassembly(x, kernels, s), expected)


@pytest.mark.parametrize('s', [1, 2])
def test_sampling_all_at_once_gives_the_attention(s):
    (query, key, positions), x = (
        build('attend', Case(8, 3, 4, s, 2, 'float64')).extras(),
        torch.randn(2, 8, 3, 4, dtype=torch.float64),
    )
    expected = attend(query, key, x, positions, 4, 4, backend='reference')
    torch.testing.assert_close(grid_sample_attend(query, key, x, positions), expected)


@pytest.mark.parametrize('s', [1, 2, 3])
def test_the_plain_port_of_dysample_gives_the_same_in_float64(s):
    ours, port = DySample(8, s).double(), GridSampleDySample(8, s).double()
    torch.nn.init.normal_(ours.offset.weight)
    port.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(port(x), ours(x))
