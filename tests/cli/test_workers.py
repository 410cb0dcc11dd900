"""Tasks in several processes: all are done, killed ones are told, and nothing is left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import worker_tasks
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


def test_an_error_here_ends_the_workers_and_their_temporary_files(tmp_path):
    """The first two tasks hold files; that the third cannot begin stops all."""

    def begin(task):
        if task == "third":
            while len(list(tmp_path.iterdir())) < 2:
                time.sleep(0.05)
            raise KeyboardInterrupt
        return task

    tasks = [str(tmp_path), str(tmp_path), "third"]
    with pytest.raises(KeyboardInterrupt):
        run_tasks(tasks, begin, hold, LOST, lambda *_: None, 3)
    assert list(tmp_path.iterdir()) == [] and multiprocessing.active_children() == []


ENDED_AT_ANY_MOMENT = """
import os, random, signal, sys
from cli.workers import run_tasks
from worker_tasks import LOST, square

if __name__ == "__main__":
    def leave(number, frame):
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    left = [20]

    def settle(task, outcome):
        left[0] -= 1
        if left[0] == 0:  # the processes run: now or soon
            moment = random.Random(int(sys.argv[1])).uniform(1e-4, 0.02)
            signal.setitimer(signal.ITIMER_REAL, moment)

    run_tasks(range(10**6), lambda task: task, square, LOST, settle, 2)
"""


@pytest.mark.skipif(os.name != "posix", reason="a timer's signal")
@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 15))]
)
def test_a_signal_at_any_moment_ends_all_without_a_word(tmp_path, seed):
    """Tasks are tiny, so that it meets the pool itself, in which locks are taken and given back."""
    script = tmp_path / "program.py"
    script.write_text(ENDED_AT_ANY_MOMENT)
    places = [os.getcwd(), os.path.dirname(worker_tasks.__file__)]
    done = subprocess.run(
        [sys.executable, script, str(seed)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")
