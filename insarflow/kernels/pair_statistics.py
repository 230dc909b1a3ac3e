"""Mean, median and standard deviation of every pixel over the interferograms of a stack."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit


def pair_statistics(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Statistics along the first axis, NaN left out.

    Parameters
    ----------
    values
        float32 or float64, shape ``(pair, y, x)``.

    Returns
    -------
    mean, median, std
        float32, ``(y, x)``, computed in double precision, NaN without a value. The median of an even number of values
        is the mean of the middle two; the standard deviation divides by their number.
    count
        int32: number of values.
    """
    shape = values.shape[1:]
    out = np.full((3, *shape), np.nan, np.float32)
    count = np.zeros(shape, np.int32)
    _statistics(values, np.empty(values.shape[0]), out, count)
    return out[0], out[1], out[2], count


@jit
def _statistics(values, room, out, count):  # type: ignore[no-untyped-def]
    for i in range(values.shape[1]):
        for j in range(values.shape[2]):
            n, total = 0, 0.0
            for p in range(values.shape[0]):
                value = np.float64(values[p, i, j])
                if not np.isnan(value):
                    room[n] = value
                    total += value
                    n += 1
            count[i, j] = n
            if n == 0:
                continue
            mean, squares = total / n, 0.0
            for k in range(n):
                squares += (room[k] - mean) ** 2
            out[0, i, j], out[2, i, j] = mean, np.sqrt(squares / n)
            middle = _smallest(room, n, n // 2)
            if n % 2 == 0:
                below = room[0]
                for k in range(1, n // 2):
                    below = max(below, room[k])
                middle = 0.5 * (below + middle)
            out[1, i, j] = middle


@jit
def _smallest(room, count, rank):  # type: ignore[no-untyped-def]
    """Hoare's selection: the value of a rank, with all smaller ones brought before it."""
    left, right = 0, count - 1
    while left < right:
        pivot, i, j = room[rank], left, right
        while i <= j:
            while room[i] < pivot:
                i += 1
            while pivot < room[j]:
                j -= 1
            if i <= j:
                room[i], room[j] = room[j], room[i]
                i += 1
                j -= 1
        if j < rank:
            left = i
        if rank < i:
            right = j
    return room[rank]
