"""Numbers that mean "missing" in a file become NaN, in one pass over the pixels."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from insarflow.kernels._jit import jit

MOST = 3
"""Most sentinels at a time."""


def translate(
    raw: np.ndarray, sentinels: Collection[float], scale: float = 1.0, offset: float = 0.0
) -> tuple[np.ndarray, float, float]:
    """``raw * scale + offset``, NaN where `raw` is a sentinel or the result is not finite.

    Parameters
    ----------
    raw
        float32, any shape.
    sentinels
        At most `MOST` numbers.

    Returns
    -------
    ndarray, float, float
        float32, same shape; the smallest and the largest number in it (inf and -inf if there is none).
    """
    out = np.empty(raw.shape, np.float32)
    with np.errstate(over="ignore"):
        first, second, third = [np.float32(s) for s in sentinels] + [np.float32(np.nan)] * (MOST - len(sentinels))
    flat = np.ascontiguousarray(raw).reshape(-1)
    low, high = _translate(flat, first, second, third, np.float32(scale), np.float32(offset), out.reshape(-1))
    return out, float(low), float(high)


@jit
def _translate(raw, first, second, third, scale, offset, out):  # type: ignore[no-untyped-def]
    low, high, nothing = np.float32(np.inf), np.float32(-np.inf), np.float32(np.nan)
    for k in range(raw.size):
        value = raw[k]
        marked = (value == first) | (value == second) | (value == third)
        value = value * scale + offset
        value = nothing if marked or value - value != np.float32(0.0) else value
        out[k] = value
        low = value if value < low else low
        high = value if value > high else high
    return low, high
