"""The one place that configures numba."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop: serial, releasing the GIL, cached on disk, IEEE arithmetic (NaN means NaN).

    No fast-math: the order of additions is part of the result, so that any chunking gives the same bits.
    """
    compiled: Callable[P, R] = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled


def part(function: Callable[P, R]) -> Callable[P, R]:
    """As `jit`, for a part of a loop that is called from one place: merged into it, which compiles in half the time."""
    compiled: Callable[P, R] = numba.njit(nogil=True, error_model="numpy", inline="always")(function)
    return compiled
