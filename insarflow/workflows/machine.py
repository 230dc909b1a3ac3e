"""Where the work is done: this process's threads, one thread, or a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import dask
from dask.system import CPU_COUNT

from insarflow.errors import InsarError
from insarflow.ops.checks import check_whole

CHOICES: Final = "threads, sync (one thread, for finding faults) or tcp://host:port of a dask scheduler"
PATIENCE: Final = "10s"
"""How long a scheduler may take to answer."""


@dataclass(frozen=True)
class Machine:
    """What works.

    Attributes
    ----------
    workers
        Threads that compute, on all computers together.
    dashboard
        Address of the cluster's own display of progress; None on this computer.
    """

    workers: int
    dashboard: str | None = None


@contextmanager
def machine(scheduler: str | None = None, workers: int | None = None) -> Iterator[Machine]:
    """Choose where dask computes; what was chosen before comes back at the end.

    Parameters
    ----------
    scheduler
        ``"threads"`` (default), ``"sync"``, or the address ``tcp://host:port`` of a running `dask.distributed`
        scheduler, whose workers must see the source and the output under the same paths.
    workers
        Number of threads; by default one per core that this process may use (a container's limit counts).

    Yields
    ------
    Machine

    Raises
    ------
    TypeError, ValueError
        If `scheduler` is none of these, or `workers` no whole positive number, or given where it has no meaning.
    InsarError
        If no scheduler answers at the address, or it has no workers.
    """
    if scheduler is not None and not isinstance(scheduler, str):
        raise TypeError(f"scheduler must be {CHOICES}, instead got scheduler={scheduler!r:.80}")
    if workers is not None:
        check_whole("workers", workers, low=1, high=4096)
    if scheduler in (None, "threads"):
        count = workers or CPU_COUNT
        with dask.config.set(scheduler="threads", num_workers=count, pool=None):
            yield Machine(count)
    elif scheduler == "sync":
        if workers not in (None, 1):
            raise ValueError(f"workers must be 1 with scheduler=sync, instead got workers={workers}: leave it out")
        with dask.config.set(scheduler="sync"):
            yield Machine(1)
    elif re.fullmatch(r"(tcp|tls)://\S+:\d{1,5}", scheduler):
        if workers is not None:
            raise ValueError(
                f"workers must be left out with scheduler={scheduler}, which has its own, instead got workers={workers}"
            )
        with _cluster(scheduler) as found:
            yield found
    else:
        raise ValueError(f"scheduler must be {CHOICES}, instead got scheduler={scheduler!r:.80}")


@contextmanager
def _cluster(address: str) -> Iterator[Machine]:
    from distributed import Client  # takes half a second to load

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise InsarError(
            f"no dask scheduler answers at scheduler={address}: start one with 'dask scheduler', or use threads"
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise InsarError(f"the dask scheduler at scheduler={address} has no workers: start some with 'dask worker'")
        yield Machine(threads, client.dashboard_link)
