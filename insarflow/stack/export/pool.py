"""Work on several images at the same time, from threads of this process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from typing import Final, TypeVar

import dask
from dask.system import CPU_COUNT

from insarflow.stack.export.geotiff import local_scheduler

T = TypeVar("T")

Stop = Callable[[], None]
"""Called now and then by work that takes long; raises if another one has failed, or the user has had enough."""

Tell = Callable[[int, int], None]
"""Called with how much is done, and how much is wanted."""


def go_on() -> None:
    """Never end early."""


def say_nothing(done: int, wanted: int) -> None:
    """No progress shown."""


def workers() -> int:
    """Threads that dask was told to use (``dask.config.set(num_workers=...)``); one per core if it was told nothing."""
    if local_scheduler() in ("sync", "synchronous", "single-threaded"):
        return 1
    return int(dask.config.get("num_workers", None) or CPU_COUNT)


def each(jobs: Iterable[T], work: Callable[[T, Stop], object], tell: Tell = say_nothing, *, count: int) -> None:
    """Do `work` on each of `jobs`, several at the same time; the first failure, or an interrupt, ends all.

    Parameters
    ----------
    jobs
        Taken one by one, as threads become free.
    work
        Called with a job and a function that it calls now and then; see `Stop`.
    tell
        Called after each, by one thread at a time.
    count
        Number of jobs.
    """
    ended, lock = threading.Event(), threading.Lock()
    waiting, done = iter(jobs), itertools.count(1)

    def stop() -> None:
        if ended.is_set():
            raise CancelledError("other work has ended")

    def take() -> None:
        while not ended.is_set():
            with lock:
                job = next(waiting, _NONE)
            if isinstance(job, _None):
                return
            work(job, stop)
            with lock:
                tell(next(done), count)

    tell(0, count)
    with ThreadPoolExecutor(threads := max(1, min(workers(), count))) as pool:
        try:
            for future in as_completed([pool.submit(take) for _ in range(threads)]):
                future.result()
        finally:
            ended.set()


class _None:
    """No job."""


_NONE: Final = _None()
