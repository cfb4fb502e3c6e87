import torch

from mmdyup.benchmark.case import Case
from mmdyup.benchmark.inputs import Features
from mmdyup.benchmark.rows import build
from mmdyup.benchmark.step import Step
from mmdyup.benchmark.subject import Subject

CASE = Case(8, 4, 3, dtype='float64')


def test_forward_keeps_no_graph():
    subject = build('dysample', CASE)
    inputs = Features(CASE).sets(subject)
    y = Step(subject, 'forward', inputs, CASE.high(8))()
    assert not y.requires_grad
    torch.testing.assert_close(y, subject.run(*inputs[0]))


def test_forward_and_backward_gives_every_gradient():
    for name in ('dysample_plus', 'carafe', 'reassembly', 'point_sample'):
        subject = build(name, CASE)
        (inputs,) = Features(CASE).sets(subject)
        grad = CASE.high(8)
        y, *found = Step(subject, 'forward_backward', [inputs], grad)()
        (subject.run(*inputs) * grad).sum().backward()
        wanted = [tensor.grad for tensor in (*inputs, *subject.parameters)]
        assert len(found) == len(wanted) >= 2
        torch.testing.assert_close(found, wanted)


def test_inputs_are_taken_in_turn():
    seen = []
    subject = Subject(lambda x: seen.append(int(x)), 0)
    step = Step(subject, 'forward', [(torch.tensor(number),) for number in range(3)], None)
    for _ in range(7):
        step()
    assert seen == [0, 1, 2, 0, 1, 2, 0]


def test_features_outgrow_the_cache_of_a_gpu(device):
    case = Case(256, 64, 64, device=device)
    features = Features(case).all
    if device == 'cpu':
        assert len(features) == 1
    else:
        cache = torch.cuda.get_device_properties(0).L2_cache_size
        assert sum(feature.nbytes for feature in features[1:]) >= 2 * cache
