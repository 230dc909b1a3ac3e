import threading
from concurrent.futures import CancelledError

import dask
import pytest

from insarflow.stack.export.pool import each, workers


@pytest.mark.parametrize("count", [1, 3])
def test_every_job_is_done_once(count):
    done, told = [], []
    with dask.config.set(scheduler="threads", num_workers=count):
        assert workers() == count
        each(iter(range(20)), lambda job, stop: done.append(job), lambda k, n: told.append((k, n)), count=20)
    assert sorted(done) == list(range(20))
    assert told == [(k, 20) for k in range(21)]


def test_one_thread_where_dask_has_one():
    with dask.config.set(scheduler="sync"):
        assert workers() == 1


def test_jobs_are_taken_as_threads_become_free():
    taken = 0

    def jobs():
        nonlocal taken
        for k in range(100):
            taken += 1
            yield k

    def fail(job, stop):
        raise ValueError(f"job {job}")

    with dask.config.set(num_workers=2), pytest.raises(ValueError, match="job"):
        each(jobs(), fail, count=100)
    assert taken <= 4


def test_a_failure_ends_the_others():
    begun, ended = threading.Event(), []

    def work(job, stop):
        if job == 1:
            begun.wait(10)
            raise ValueError("no such luck")
        begun.set()
        while True:
            try:
                stop()
            except CancelledError:
                ended.append(job)
                raise

    with dask.config.set(num_workers=2), pytest.raises((ValueError, CancelledError)):
        each([0, 1], work, count=2)
    assert ended == [0]
