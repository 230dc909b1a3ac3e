"""Without a cluster; with one: test_cluster."""

import threading

import dask
import dask.array as da
import numpy as np
import pytest

from insarflow.workflows.machine import machine


def threads_used():
    names = set()

    def note(block):
        names.add(threading.get_ident())
        return block

    da.ones(64, chunks=1).map_blocks(note, meta=np.empty(0)).compute()
    return names


def test_one_thread():
    with machine("sync") as found:
        assert found.workers == 1
        assert threads_used() == {threading.get_ident()}
    with machine("sync", 1) as found:
        assert found.dashboard is None


@pytest.mark.parametrize("scheduler", [None, "threads"])
def test_threads(scheduler):
    with machine(scheduler, 3) as found:
        assert found.workers == 3
        assert dask.config.get("num_workers") == 3
        used = threads_used()
        assert threading.get_ident() not in used
        assert len(used) <= 3
    with machine(scheduler) as found:
        assert found.workers >= 1


def test_what_was_chosen_before_comes_back():
    with dask.config.set(scheduler="sync", num_workers=7):
        with pytest.raises(KeyError), machine("threads", 2):
            raise KeyError
        assert dask.config.get("scheduler") == "sync"
        assert dask.config.get("num_workers") == 7


@pytest.mark.parametrize(
    ("scheduler", "workers", "error", "message"),
    [
        ("processes", None, ValueError, r"^scheduler must be threads, sync .*, instead got scheduler='processes'"),
        ("", None, ValueError, r"^scheduler must be threads, .*, instead got scheduler=''"),
        (
            "tcp://host",
            None,
            ValueError,
            r"^scheduler must be .* tcp://host:port .*, instead got scheduler='tcp://host'",
        ),
        (8786, None, TypeError, r"^scheduler must be .*, instead got scheduler=8786"),
        ("sync", 2, ValueError, r"^workers must be 1 with scheduler=sync, instead got workers=2: leave it out"),
        ("threads", 0, ValueError, r"^workers must be a whole number of at least 1 .*, instead got workers=0"),
        ("threads", 2.0, TypeError, r"^workers must be a whole number of at least 1 .*, instead got workers=2\.0"),
    ],
)
def test_wrong_words(scheduler, workers, error, message):
    with pytest.raises(error, match=message), machine(scheduler, workers):
        pass
