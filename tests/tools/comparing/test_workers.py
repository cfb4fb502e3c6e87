"""A team of processes, played by threads and pipes."""

from dataclasses import replace
from multiprocessing import Pipe
from threading import Thread

import pytest

from comparing import records
from comparing.workers import Place, Team, do, do_all


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


def staffed(plan, processes):
    """A team whose processes are played, and the ends that play them."""
    team = Team(plan, ())
    ends = [Pipe() for _ in range(processes)]
    team.members = {ours: Process() for ours, _ in ends}
    return team, [theirs for _, theirs in ends]


@pytest.fixture
def team(plan):
    """Of two processes; what they say is at hand before they are asked."""
    team, team.ends = staffed(plan, 2)
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


def test_one_process_alone(plan):
    """A run that fails leaves it alive; where it dies, the record says how."""
    team, (end,) = staffed(plan, 1)
    (process,) = team.members.values()
    end.send(dict(key=plan.runs[0].key, status='failed', error='ValueError: why'))
    assert team.do(plan.runs[0])['error'] == 'ValueError: why'
    assert team.members and process.is_alive()
    process.exitcode = 7
    end.close()
    assert team.do(plan.runs[0])['error'] == 'its process ended with exit code 7'
    assert not team.members and lines(plan) == 2


def test_two_teams_share_the_runs(plan, line, monkeypatch):
    """And each takes new processes where it has none."""

    def start(self):
        played, (end,) = staffed(plan, 1)
        self.members = played.members

        def serve():
            while True:
                try:
                    run = end.recv()
                except EOFError:
                    return
                end.send(line(run, 50.0))

        Thread(target=serve, daemon=True).start()

    monkeypatch.setattr(Team, '_start', start)
    told = []
    do_all(plan, list(plan.runs), [(), ()], lambda run, record: told.append((run.key, record)))
    assert sorted(key for key, _ in told) == sorted(run.key for run in plan.runs)
    assert all(records.is_done(record) for _, record in told) and lines(plan) == len(plan.runs)


def test_what_a_run_raises_is_its_record(plan, capfd):
    """The trace goes to its output, and the process stays."""
    run = replace(plan.runs[0], config='no_such.py')
    with capfd.disabled():
        record = do(plan, run, Place(0, 1, None, None))
    assert record['status'] == 'failed' and record['key'] == run.key
    assert record['error'].startswith('FileNotFoundError: ') and 'Traceback' not in record['error']
    assert 'Traceback' in (plan.folder / 'runs' / run.key / 'output.txt').read_text()
