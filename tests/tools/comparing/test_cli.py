"""How many runs at a time, on what, by how many processes."""

import pytest
import torch

from comparing.cli import devices_of, make_parser, processes_of


def parse(*flags):
    return make_parser().parse_args(['config.py', *flags])


@pytest.fixture
def four_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 4)


@pytest.mark.usefixtures('four_gpus')
@pytest.mark.parametrize(
    'flags, processes, devices',
    [
        ([], 1, [()]),
        (['--gpus', '0,2'], 1, [(0,), (2,)]),
        (['--processes', '2'], 2, [(0, 1)]),
        (['--launcher', 'pytorch'], 4, [(0, 1, 2, 3)]),
        (['--launcher', 'pytorch', '--gpus', '3,1'], 2, [(3, 1)]),
        (['--launcher', 'pytorch', '--processes', '2', '--gpus', '0,1'], 2, [(0, 1)]),
        (['--processes', '2', '--gpus', '0,1,2,3'], 2, [(0, 1), (2, 3)]),
        (['--processes', '1', '--gpus', '0,1'], 1, [(0,), (1,)]),
    ],
)
def test_gpus_are_shared_out(flags, processes, devices):
    assert (processes_of(parse(*flags)), devices_of(parse(*flags))) == (processes, devices)


@pytest.mark.usefixtures('four_gpus')
@pytest.mark.parametrize(
    'flags, words',
    [
        (['--processes', '5'], 'and PyTorch sees 4; give 5 GPUs'),
        (['--processes', '2', '--gpus', '0,1,2'], 'and --gpus names 0,1,2; give 2 GPUs'),
        (['--processes', '2', '--gpus', '1,1'], 'a GPU of its own'),
    ],
)
def test_each_process_takes_a_gpu(flags, words):
    with pytest.raises(ValueError, match=words):
        devices_of(parse(*flags))


def test_without_a_gpu_processes_share_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    assert devices_of(parse('--processes', '3')) == [()]
    with pytest.raises(ValueError, match='no GPU here; say with --processes N'):
        processes_of(parse('--launcher', 'pytorch'))


def test_it_is_not_started_by_torchrun_itself(monkeypatch):
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    with pytest.raises(ValueError, match='call it with python'):
        processes_of(parse('--launcher', 'pytorch'))
