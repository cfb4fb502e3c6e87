"""A team of processes, played by threads and pipes."""

from multiprocessing import Pipe

import pytest

from comparing import records
from comparing.workers import Team


class Process:
    """One that waits until it is ended, or died before."""

    def __init__(self, exitcode=None):
        self.exitcode = exitcode

    def is_alive(self):
        return self.exitcode is None

    def terminate(self):
        self.exitcode = -15 if self.exitcode is None else self.exitcode

    def join(self):
        assert self.exitcode is not None


@pytest.fixture
def team(plan):
    """Of two processes; what they say is at hand before they are asked."""
    team = Team(plan, ())
    ends = [Pipe() for _ in range(2)]
    team.members = {ours: Process() for ours, _ in ends}
    team.ends = [theirs for _, theirs in ends]
    return team


def lines(plan):
    return (plan.folder / records.FILE).read_text().count('\n')


def test_the_first_process_tells(plan, team, line):
    run = plan.runs[0]
    team.ends[1].send(dict(status='done'))
    team.ends[0].send(line(run, 50.0))
    assert team.do(run) == line(run, 50.0) and lines(plan) == 1
    assert [end.recv() for end in team.ends] == [run, run]
    assert all(process.is_alive() for process in team.members.values())
    assert team.do(run) is None, 'it is done'


def test_one_that_fails_takes_the_others_along(plan, team):
    """They would wait for it without an end."""
    processes = list(team.members.values())
    team.ends[1].send(dict(key=plan.runs[0].key, status='failed', error='ValueError: why'))
    assert team.do(plan.runs[0])['error'] == 'ValueError: why' and lines(plan) == 1
    assert not any(process.is_alive() for process in processes) and not team.members


def test_the_reason_is_that_of_the_first_to_die(plan, team):
    """Another one only tells that it lost the connection."""
    list(team.members.values())[1].exitcode = -9
    team.ends[0].send(dict(key=plan.runs[0].key, status='failed', error='RuntimeError: closed'))
    assert team.do(plan.runs[0])['error'] == 'process 1 ended with exit code -9'
    assert records.read(plan.folder)[plan.runs[0].key]['status'] == 'failed'
