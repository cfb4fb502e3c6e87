"""What processes leave behind."""

import multiprocessing

from torch.utils.data import DataLoader

from recipes.processes import workers_ended


def test_no_worker_is_left_where_a_loader_waits_for_the_garbage_collector():
    others = {*multiprocessing.active_children()}
    with workers_ended():
        loader = DataLoader(range(4), num_workers=2, persistent_workers=True)
        iterator = iter(loader)
        iterator.itself = iterator
        assert sorted(map(int, iterator)) == [0, 1, 2, 3]
        begun = {*multiprocessing.active_children()} - others
        assert len(begun) == 2
    assert [worker.exitcode for worker in begun] == [0, 0], 'they ended, and were not killed'
    del loader, iterator
