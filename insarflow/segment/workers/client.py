"""The dask cluster that work goes to, if it goes to one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dask.base import get_scheduler

if TYPE_CHECKING:
    from distributed import Client


def current_client() -> Client | None:
    """The client that ``dask.compute`` would use here; None if it computes in this process.

    Notes
    -----
    A client cannot be there unless somebody imported distributed: so this does not. An asynchronous one is not used by
    ``dask.compute``, which says so itself.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        client = getattr(get_scheduler(), "__self__", None)
    except RuntimeError:
        return None
    return client if isinstance(client, distributed.Client) else None
