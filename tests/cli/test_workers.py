"""Tasks in several processes: all are done, killed ones are told, and nothing is left behind."""

import multiprocessing
import threading
import time

import pytest
from worker_tasks import LOST, hold, square, square_or_die

from cli.workers import run_tasks


def collect(tasks, work, jobs, begin=lambda task: task):
    found = {}
    run_tasks(tasks, begin, work, LOST, found.__setitem__, jobs)
    return found


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_tasks_are_done(jobs):
    assert collect(range(7), square, jobs) == {n: n * n for n in range(7)}
    assert collect([1, 2], square, jobs, begin=lambda task: -10 * task) == {1: 100, 2: 400}


def test_a_killed_process_is_told_and_the_others_go_on():
    found = collect(range(8), square_or_die, 2)
    assert found[3] == found[5] == LOST
    # What ran beside the killed one is lost with it.
    assert sum(outcome == LOST for outcome in found.values()) <= 3
    assert all(outcome in (LOST, n * n) for n, outcome in found.items()) and len(found) == 8


def test_an_error_here_ends_the_workers_and_their_temporary_files(tmp_path, monkeypatch):
    """The first two tasks hold files; that the third cannot begin stops all."""

    def begin(task):
        if task == "third":
            while len(list(tmp_path.iterdir())) < 2:
                time.sleep(0.05)
            raise KeyboardInterrupt
        return task

    monkeypatch.setattr("cli.workers.wait", lambda *_, **__: threading.Event().wait())
    tasks = [str(tmp_path), str(tmp_path), "third"]
    with pytest.raises(KeyboardInterrupt):
        run_tasks(tasks, begin, hold, LOST, lambda *_: None, 3)
    assert list(tmp_path.iterdir()) == [] and multiprocessing.active_children() == []
