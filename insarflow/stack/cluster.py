"""What a dask cluster raises when workers, or the scheduler, are lost: told in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

_LOST: Final = (
    ("distributed.scheduler", "KilledWorker"),
    ("distributed.scheduler", "NoValidWorkerError"),
    ("distributed.scheduler", "NoWorkerError"),
    ("distributed.client", "ClosedClientError"),
    ("distributed.client", "FutureCancelledError"),
    ("distributed.client", "FuturesCancelledError"),
    ("distributed.comm.core", "CommClosedError"),
)
"""Errors, by the module that defines them: it is loaded if one can have been raised."""

GOES_ON: Final = "what is written stays, and the same call goes on from there"

Naming = Callable[[Any], str | None]
"""What a user calls the work of a task, by its key; None if it is no such task."""


def lost_errors() -> tuple[type[Exception], ...]:
    """What a cluster raises, of those packages that are loaded."""
    found = (getattr(sys.modules[module], name, None) for module, name in _LOST if module in sys.modules)
    return tuple(kind for kind in found if kind is not None)


def explain_lost(error: BaseException, naming: Naming) -> str:
    """What happened, to which part of the work, and the way out.

    Parameters
    ----------
    error
        One of `lost_errors`.
    naming
        Names the part by the key of its task.
    """
    kind, key = type(error).__name__, getattr(error, "task", None)
    work = naming(key) or f"task {key}"
    if kind == "KilledWorker":
        last = error.last_worker  # type: ignore[attr-defined]
        return (
            f"{error.allowed_failures + 1} workers ended one after another while they computed {work}, "  # type: ignore[attr-defined]
            f"the last one {last.address}: most often their memory is full, so give them more of it or fewer threads, "
            f"and look into their logs; {GOES_ON}"
        )
    if kind in ("NoValidWorkerError", "NoWorkerError"):
        return f"no worker that may compute {work} was there in time: start some that have the resources; {GOES_ON}"
    return (
        f"the dask scheduler, or the connection to it, was lost ({kind}): start it again, or look into its log; "
        f"{GOES_ON}"
    )
