import pytest
import torch
from torch.autograd import forward_ad
from torch.func import jvp

from mmdyup.ops import carafe, neighborhood_scores, point_sample

X, Y = torch.randn(1, 4, 3, 3), torch.randn(1, 4, 6, 6)
CALLS = {
    'carafe': (carafe, X, torch.randn(1, 9, 6, 6)),
    'point_sample': (point_sample, X, torch.randn(1, 8, 3, 3)),
    'neighborhood_scores': (neighborhood_scores, Y, X),
}


@pytest.mark.parametrize('backend', ['auto', 'native'])
@pytest.mark.parametrize('op, x, other', CALLS.values(), ids=CALLS)
def test_a_tangent_is_refused_and_never_dropped(op, x, other, backend):
    def run(x, other, backend=backend):
        return op(x, other, backend=backend)

    with pytest.raises(NotImplementedError, match='no forward-mode derivative; use torch.autograd'):
        jvp(run, (x, other), (x, other))
    with forward_ad.dual_level():
        with pytest.raises(NotImplementedError, match="or backend='reference'"):
            run(x, forward_ad.make_dual(other, other))
        assert run(x, other).isfinite().all()
    # all three are linear in what they sample or weigh
    y, tangent = jvp(lambda x: run(x, other, 'reference'), (x,), (x,))
    torch.testing.assert_close(tangent, y)
