"""Worker processes for independent tasks: in any order, reported as they end, stopped cleanly."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from deephide.errors import MissingExtraError

__all__ = ["run_tasks"]

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")

_STOPPING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


def run_tasks(
    tasks: Sequence[Task],
    begin: Callable[[Task], Task],
    work: Callable[[Task], Outcome],
    lost: Outcome,
    settle: Callable[[Task, Outcome], None],
    jobs: int,
    *,
    cluster: bool = False,
) -> None:
    """Do all tasks; whatever ends this early leaves no process and no half-written file.

    Parameters
    ----------
    tasks : independent of one another; can be pickled
    begin : called here with each task right before its work; returns what to work on
    work : a function of a module, called in a process of its own if `jobs` > 1; must not raise
    lost : what became of a task whose process was killed or stopped
    settle : called here with each task and its outcome, in the order in which they end
    jobs : processes at once
    cluster : spread them over the machines of the Ray cluster that RAY_ADDRESS names instead, or
        over the cores of this one; files must lie at the same paths everywhere

    Raises
    ------
    MissingExtraError : there is no Ray to spread with
    """
    if cluster:
        _on_cluster(tasks, begin, work, lost, settle)
        return
    if jobs == 1:
        for task in tasks:
            settle(task, work(begin(task)))
        return
    left = list(tasks)
    while left:
        left = _in_processes(left, begin, work, lost, settle, jobs)


def _in_processes(
    tasks: list[Task],
    begin: Callable[[Task], Task],
    work: Callable[[Task], Outcome],
    lost: Outcome,
    settle: Callable[[Task, Outcome], None],
    jobs: int,
) -> list[Task]:
    """Do tasks until all are done or a process is killed; return those not begun."""
    # Not forked: threads of numba and torch do not survive that.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), context, _prepare)
    running: dict[Future[Outcome], Task] = {}
    # Of C: a signal that ends this program meanwhile leaves no lock behind, as it can in `wait`.
    ended: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
    waiting = list(reversed(tasks))
    broken = False
    try:
        while running or (waiting and not broken):
            # No more than can run: what has begun when a process is killed counts as lost.
            while waiting and len(running) < jobs and not broken:
                task = waiting.pop()
                try:
                    with _signals_held():
                        future = pool.submit(_work_here, work, begin(task))
                        running[future] = task
                        future.add_done_callback(ended.put)
                except BrokenProcessPool:
                    broken = True
                    settle(task, lost)
            if running:
                future = ended.get()
                task, error = running.pop(future), future.exception()
                broken = broken or isinstance(error, BrokenProcessPool)
                settle(task, future.result() if error is None else lost)
    except BaseException:
        _stop(pool)
        raise
    with _signals_held():
        pool.shutdown()
    return waiting[::-1]


def _on_cluster(
    tasks: Sequence[Task],
    begin: Callable[[Task], Task],
    work: Callable[[Task], Outcome],
    lost: Outcome,
    settle: Callable[[Task, Outcome], None],
) -> None:
    """Do tasks on a Ray cluster, one core each; what is lost with a machine is not tried again."""
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("a cluster", "Ray", "cluster") from error
    ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False)
    try:
        # Workers last, and with them the model that the first row of each has loaded.
        remote = ray.remote(num_cpus=1, max_retries=0)(_work_in)
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting = list(reversed(tasks))
        running: dict[Any, Task] = {}
        while waiting or running:
            while waiting and len(running) < cores:
                task = waiting.pop()
                running[remote.remote(os.getcwd(), work, begin(task))] = task
            (ready,), _ = ray.wait(list(running), num_returns=1)
            task = running.pop(ready)
            try:
                outcome = ray.get(ready)
            except ray.exceptions.RayError:
                outcome = lost
            settle(task, outcome)
    finally:
        ray.shutdown()


def _work_in(folder: str, work: Callable[[Task], Outcome], task: Task) -> Outcome:
    """Do a task where its relative paths begin."""
    os.chdir(folder)
    return work(task)


class _Worker:
    """What a worker process does at the moment."""

    busy = False  # with a task, which has files to remove
    leaving = False  # that task, since a signal said so


def _prepare() -> None:
    """Let every signal that ends a program end what a worker does, without a word.

    What is ignored stays so, as in the program itself.
    """
    for number in _stopping():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _stopping())


def _work_here(work: Callable[[Task], Outcome], task: Task) -> Outcome:
    """Do a task in a worker."""
    _Worker.busy, _Worker.leaving = True, False
    try:
        return work(task)
    finally:
        _Worker.busy = False


def _leave(number: int, _frame: FrameType | None) -> None:
    """Unwind the stack of a task; between tasks, where only locks of the pool are held, be gone."""
    if not _Worker.busy:
        os._exit(128 + number)
    if not _Worker.leaving:  # a second one must not stop the cleaning up
        _Worker.leaving = True
        raise SystemExit(128 + number)


def _stopping() -> list[signal.Signals]:
    """Signals of this system that end a program."""
    return [getattr(signal, name) for name in _STOPPING if hasattr(signal, name)]


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals that end the program wait, here and in processes that are started meanwhile.

    Those have no handlers yet; and an exception within the pool may leave a lock of it taken.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _stopping())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers, and wait until they have removed their temporary files."""
    workers = multiprocessing.active_children()
    if os.name == "posix":  # elsewhere it would kill them, and Ctrl-C has reached them already
        while any(worker.is_alive() for worker in workers):
            for worker in workers:
                # Again: the first ends a task, and the pool then waits for another one.
                worker.terminate()
                worker.join(0.05)
    with _signals_held():
        # Waits for the thread of the pool, too, which else may end while the interpreter wakes it.
        pool.shutdown(cancel_futures=True)
    for worker in workers:
        worker.join()
