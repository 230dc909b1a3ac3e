"""Where a process may die while it writes a store: the tests let it, at every one of these points in turn."""

from __future__ import annotations

import itertools
import os
from typing import Final

FAULT: Final = "INSARFLOW_FAULT"
"""Environment variable: the number of the point at which the process ends at once, as if it were killed."""

_count = itertools.count(1)


def fault_point() -> None:
    """Die here if this is the point; otherwise do nothing. Stands before every operation on a store."""
    number = os.environ.get(FAULT)
    if number is not None and next(_count) == int(number):
        os._exit(137)
