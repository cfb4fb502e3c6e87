import pytest
import torch

from mmdyup import DySample
from mmdyup.benchmark.peers import GridSampleDySample, unfold_reassembly
from mmdyup.ops import carafe


@pytest.mark.parametrize('k, s', [(3, 2), (5, 3), (5, 1)])
def test_unfolding_gives_the_reassembly(k, s):
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    kernels = torch.randn(2, k * k, 3 * s, 5 * s, dtype=torch.float64)
    expected = carafe(x, kernels, scale_factor=s, backend='reference')
    torch.testing.assert_close(unfold_reassembly(x, kernels, s), expected)


@pytest.mark.parametrize('s', [1, 2, 3])
def test_the_plain_port_of_dysample_gives_the_same_in_float64(s):
    ours, port = DySample(8, s).double(), GridSampleDySample(8, s).double()
    torch.nn.init.normal_(ours.offset.weight)
    port.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(port(x), ours(x))
