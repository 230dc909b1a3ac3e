"""Numbers that mean "missing" in a file become NaN, in one pass over the pixels and in their place."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from insarflow.kernels._jit import jit

MOST = 3
"""Most sentinels at a time."""


def translate(
    raw: np.ndarray,
    sentinels: Collection[float],
    scale: float = 1.0,
    offset: float = 0.0,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[np.ndarray, int]:
    """``raw * scale + offset``, NaN where `raw` is a sentinel or the result is not finite.

    Parameters
    ----------
    raw
        float32, any shape; the result takes its place, if it is contiguous in memory.
    sentinels
        At most `MOST` numbers.
    limits
        Smallest and largest number that can be true.

    Returns
    -------
    ndarray, int
        float32, same shape; how many numbers in it are beyond the limits.
    """
    with np.errstate(over="ignore"):
        first, second, third = [np.float32(s) for s in sentinels] + [np.float32(np.nan)] * (MOST - len(sentinels))
    least, most = np.float32(limits[0]), np.float32(limits[1])
    flat = np.ascontiguousarray(raw).reshape(-1)
    beyond = _translate(flat, first, second, third, np.float32(scale), np.float32(offset), least, most)
    return flat.reshape(raw.shape), int(beyond)


@jit
def _translate(raw, first, second, third, scale, offset, least, most):  # type: ignore[no-untyped-def]
    """Without the least and the greatest number themselves, which no vector instruction finds among NaN."""
    nothing, beyond = np.float32(np.nan), np.int32(0)
    for k in range(raw.size):
        value = raw[k]
        marked = (value == first) | (value == second) | (value == third)
        value = value * scale + offset
        value = nothing if marked or value - value != np.float32(0.0) else value
        raw[k] = value
        beyond = np.int32(beyond + np.int32((value < least) | (value > most)))
    return beyond
