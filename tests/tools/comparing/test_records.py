"""Lines that are appended, and claims that end with their process."""

import multiprocessing
import os
import signal

import pytest

from comparing import records


def test_a_run_that_was_done_stays_done(tmp_path):
    assert records.read(tmp_path) == {}
    records.append(tmp_path, dict(key='a', status='failed', error='x'))
    records.append(tmp_path, dict(key='a', status='done', scores={}))
    records.append(tmp_path, dict(key='a', status='failed', error='y'))
    assert records.is_done(records.read(tmp_path)['a'])
    assert not records.is_done(records.read(tmp_path).get('b'))


def test_a_line_that_was_cut_off(tmp_path):
    records.append(tmp_path, dict(key='a', status='done'))
    with open(tmp_path / records.FILE, 'a') as file:
        file.write('{"key": "b", "sta')
    records.append(tmp_path, dict(key='c', status='done'))
    assert sorted(records.read(tmp_path)) == ['a', 'c']


def test_a_run_is_claimed_once(tmp_path):
    with records.claim(tmp_path, 'a') as mine:
        assert mine
        with records.claim(tmp_path, 'a') as again, records.claim(tmp_path, 'b') as other:
            assert not again and other
        records.append(tmp_path, dict(key='a', status='done'))
    with records.claim(tmp_path, 'a') as after:
        assert not after, 'it was done in the meantime'


def hold(folder, pipe):
    with records.claim(folder, 'a') as mine:
        pipe.send(mine)
        signal.pause()


@pytest.mark.slow
def test_a_claim_ends_with_its_process(tmp_path):
    context = multiprocessing.get_context('fork')
    pipe, other = context.Pipe()
    process = context.Process(target=hold, args=(tmp_path, other))
    process.start()
    assert pipe.recv()
    with records.claim(tmp_path, 'a') as mine:
        assert not mine
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with records.claim(tmp_path, 'a') as mine:
        assert mine
