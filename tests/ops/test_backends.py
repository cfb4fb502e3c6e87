import sys
from types import SimpleNamespace

import pytest
import torch

from mmdyup.ops import backends, carafe, neighborhood_scores
from mmdyup.testing import needs_operators_in_graphs

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason='there is a CUDA device')
X, M = torch.randn(1, 4, 3, 3), torch.randn(1, 9, 6, 6)


@pytest.mark.parametrize('op', ['carafe', 'point_sample', 'expand_and_reassemble'])
def test_triton_is_never_chosen_by_itself(op, device, monkeypatch):
    monkeypatch.delenv('MMDYUP_BACKEND', raising=False)
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    assert backends.choose_backend(op, 'auto', X.to(device)) in ('mmcv', 'cpp', 'native')
    assert 'triton' in backends.BACKENDS[op]


@pytest.mark.parametrize(
    'missing, reason',
    [
        (False, 'Triton has code for CUDA, but the feature is on cpu'),
        (True, 'Triton 3, .*, is not installed'),
    ],
)
def test_triton_where_it_cannot_run(missing, reason, monkeypatch):
    monkeypatch.setattr(backends, 'HAS_TRITON', not missing)
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    with pytest.raises(ValueError, match=f"cannot run here: {reason}; use backend='auto'"):
        carafe(X, M, backend='triton')


@pytest.mark.parametrize(
    'wanted, reason',
    [('triton', 'Triton 3, .*, is not installed'), ('mmcv', "mmcv's CARAFE has CUDA code only")],
)
def test_what_the_environment_wants_but_cannot_run_is_replaced_with_one_warning(
    wanted, reason, monkeypatch
):
    monkeypatch.setattr(backends, '_WARNED', set())
    monkeypatch.setattr(backends, 'HAS_TRITON', False)
    monkeypatch.setattr(backends, 'HAS_CPP', False)
    monkeypatch.setenv('MMDYUP_BACKEND', wanted)
    with pytest.warns(
        UserWarning,
        match=f'MMDYUP_BACKEND={wanted} cannot run carafe here: {reason}.*; native runs instead',
    ) as caught:
        y, again = carafe(X, M), carafe(X, M)
    assert len(caught) == 1
    for result in (y, again):
        torch.testing.assert_close(result, carafe(X, M, backend='native'))


def test_triton_on_an_old_gpu(monkeypatch):
    monkeypatch.setattr(backends, 'HAS_TRITON', True)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (6, 1))
    on_gpu = SimpleNamespace(is_cuda=True, device=torch.device('cuda'))
    with pytest.raises(ValueError, match=r'a GPU of compute capability 7\.0 or above'):
        backends.choose_backend('carafe', 'triton', on_gpu)


def test_triton_cannot_be_exported(monkeypatch):
    monkeypatch.setattr(backends, 'HAS_TRITON', True)
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    with pytest.raises(ValueError, match='a graph that leaves Python'):
        torch.jit.trace(lambda x, m: carafe(x, m, backend='triton'), (X, M))


def test_the_environment_replaces_auto_alone(monkeypatch):
    monkeypatch.setenv('MMDYUP_BACKEND', 'reference')
    assert backends.choose_backend('carafe', 'auto', X) == 'reference'
    assert backends.choose_backend('carafe', 'native', X) == 'native'
    monkeypatch.setenv('MMDYUP_BACKEND', 'mmcv')
    with pytest.warns(UserWarning, match='neighborhood_scores has no such backend; .* runs'):
        assert neighborhood_scores(M[:, :4], X).shape == (1, 25, 6, 6)
    monkeypatch.setenv('MMDYUP_BACKEND', 'cuda')
    with pytest.raises(
        ValueError, match='MMDYUP_BACKEND must be one of auto, fastest, cpp, mmcv, native'
    ):
        carafe(X, M)


@needs_operators_in_graphs
@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:MMDYUP_BACKEND=mmcv cannot run')
@pytest.mark.parametrize('wanted', ['native', 'mmcv'])
def test_a_compiled_graph_asks_the_environment_too(wanted, monkeypatch):
    monkeypatch.setenv('MMDYUP_BACKEND', wanted)
    compiled = torch.compile(carafe, fullgraph=True, backend='aot_eager')
    torch.testing.assert_close(compiled(X, M), carafe(X, M))


@NO_GPU
@pytest.mark.slow
def test_it_compiles_where_the_environment_names_nothing(monkeypatch):
    monkeypatch.delenv('MMDYUP_BACKEND', raising=False)
    expected = carafe(X, M)
    torch.testing.assert_close(torch.compile(carafe, backend='eager')(X, M), expected)
    monkeypatch.setenv('MMDYUP_BACKEND', '')
    assert torch.equal(carafe(X, M), expected)


def test_an_mmcv_that_is_broken_has_no_cuda(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == 'mmcv.ops':
                raise RuntimeError('built for another PyTorch')

    monkeypatch.delitem(sys.modules, 'mmcv.ops', raising=False)
    monkeypatch.setattr(sys, 'meta_path', [Broken(), *sys.meta_path])
    assert not backends.mmcv_has_cuda.__wrapped__()


def test_usable_are_those_that_can_run(monkeypatch):
    monkeypatch.setattr(backends, 'HAS_TRITON', True)
    monkeypatch.setattr(backends, 'HAS_CPP', False)
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    assert backends.usable_backends('point_sample') == ['native', 'reference']
    monkeypatch.setattr(backends, 'HAS_CPP', True)
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    assert backends.usable_backends('point_sample') == ['cpp', 'native', 'reference', 'triton']


def test_compiled_code_for_the_cpu_is_chosen_where_it_is_built(monkeypatch):
    monkeypatch.delenv('MMDYUP_BACKEND', raising=False)
    for built, chosen in ((True, 'cpp'), (False, 'native')):
        monkeypatch.setattr(backends, 'HAS_CPP', built)
        assert backends.choose_backend('point_sample', 'auto', X) == chosen
    with pytest.raises(ValueError, match="mmdyup's C\\+\\+ code is not built"):
        backends.choose_backend('point_sample', 'cpp', X)
    monkeypatch.setattr(backends, 'HAS_CPP', True)
    with pytest.raises(ValueError, match='is for the CPU, but the feature is on meta'):
        backends.choose_backend('point_sample', 'cpp', X.to('meta'))
