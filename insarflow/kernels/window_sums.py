"""Window sums whose cost does not depend on the window, and whose bits do not depend on where the array is cut.

Along y, rows are grouped into blocks of the window's height, at global multiples of it. A window that starts inside a
block is the sum from there to the block's end (suffix) plus the sum from the next block's start (prefix), as in van
Herk's running maxima; nothing is ever subtracted, so no window knows of what lies outside it. Along x a window is a
tree of sums of 2, 3 or 5 parts, the same tree for every pixel.

A pixel has four summed quantities, `PLANES`, each in a plane of its own. Missing pixels and those beyond the array's
border are zero in all four.
"""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit

STRIP = 2048
"""Columns summed before the next strip, so that a window's rows stay in the second-level cache."""

CHUNK = 512
"""Columns of a strip whose terms are formed at once, in the first-level cache."""

PLANE = STRIP + 8
"""Distance of planes in a row of sums; no power of two, whose rows would fall into the same lines of the cache."""

PLANES = 4
"""Real and imaginary part of the correlation, power of the reference and of the secondary."""


def plan_sums(window: int) -> np.ndarray:
    """How a sum of `window` neighbours is built: sums of 2, 3 or 5 parts; 0 sets one part aside, to be added last."""
    plan = []
    while window > 1:
        parts = next((k for k in (5, 3, 2) if window % k == 0), 0)
        plan.append(parts)
        window = window // parts if parts else window - 1
    return np.array(plan or [1], np.int64)


@jit
def sum_few_along(terms, window, n, row, first):  # type: ignore[no-untyped-def]
    """As `sum_along`, for a window of 1, 2, 3 or 5."""
    for q in range(PLANES):
        _sum_parts(terms[q], 1, n, window, row[q * PLANE + first :])


@jit
def sum_along(terms, spare, plan, window, n, row, first):  # type: ignore[no-untyped-def]
    """Sums of `window` neighbours in each plane, from ``x[j]`` on, for ``j < n``; overwrites `terms`."""
    for q in range(PLANES):
        _sum_tree(terms[q], spare, plan, window, n, row[q * PLANE + first :])


@jit
def _sum_tree(x, spare, plan, window, n, out):  # type: ignore[no-untyped-def]
    other, rest = spare[0], spare[1]
    parts, size, aside = window, 1, False
    for step in range(plan.size):
        k = plan[step]
        if k == 0:
            parts -= 1
            _keep(x[parts * size :], n, aside, rest)
            aside = True
            continue
        parts //= k
        last = parts == 1 and not aside
        _sum_parts(x, size, n + (parts - 1) * size * k, k, out if last else other)
        size *= k
        x, other = other, x
    if aside:
        for j in range(n):
            out[j] = x[j] + rest[j]


@jit
def _keep(x, n, more, rest):  # type: ignore[no-untyped-def]
    if more:
        for j in range(n):
            rest[j] += x[j]
    else:
        for j in range(n):
            rest[j] = x[j]


@jit
def _sum_parts(x, size, n, k, out):  # type: ignore[no-untyped-def]
    """Sum of `k` (1, 2, 3 or 5) values that are `size` apart."""
    if k == 1:
        for j in range(n):
            out[j] = x[j]
        return
    b = x[size:]
    if k == 2:
        for j in range(n):
            out[j] = x[j] + b[j]
        return
    c = x[2 * size :]
    if k == 3:
        for j in range(n):
            out[j] = (x[j] + b[j]) + c[j]
        return
    d, e = x[3 * size :], x[4 * size :]
    for j in range(n):
        out[j] = ((x[j] + b[j]) + (c[j] + d[j])) + e[j]


@jit
def accumulate(prefix, row, n):  # type: ignore[no-untyped-def]
    """Add a row of sums to the prefix."""
    for q in range(PLANES):
        a, b = prefix[q * PLANE :], row[q * PLANE :]
        for j in range(n):
            a[j] += b[j]


@jit
def correlation(re, im, first, second):  # type: ignore[no-untyped-def]
    """Coherence of four sums; NaN where both images are dark."""
    length = np.sqrt(np.float32((re * re + im * im) / (first * second)))
    return np.float32(1.0) if length > np.float32(1.0) else length


@jit
def emit(prefix, row, suffix, n, out):  # type: ignore[no-untyped-def]
    """Add a row to the prefix and write the coherence of the windows that end in it."""
    for j in range(n):
        re = prefix[j] + row[j]
        im = prefix[PLANE + j] + row[PLANE + j]
        first = prefix[2 * PLANE + j] + row[2 * PLANE + j]
        second = prefix[3 * PLANE + j] + row[3 * PLANE + j]
        prefix[j] = re
        prefix[PLANE + j] = im
        prefix[2 * PLANE + j] = first
        prefix[3 * PLANE + j] = second
        out[j] = correlation(
            re + suffix[j], im + suffix[PLANE + j], first + suffix[2 * PLANE + j], second + suffix[3 * PLANE + j]
        )


@jit
def emit_pair_3(a, b, c, d, n, upper, lower):  # type: ignore[no-untyped-def]
    """Coherence of two windows of three rows that share two."""
    for j in range(n):
        re = b[j] + c[j]
        im = b[PLANE + j] + c[PLANE + j]
        first = b[2 * PLANE + j] + c[2 * PLANE + j]
        second = b[3 * PLANE + j] + c[3 * PLANE + j]
        upper[j] = correlation(a[j] + re, a[PLANE + j] + im, a[2 * PLANE + j] + first, a[3 * PLANE + j] + second)
        lower[j] = correlation(re + d[j], im + d[PLANE + j], first + d[2 * PLANE + j], second + d[3 * PLANE + j])


@jit
def emit_pair_5(a, b, c, d, e, f, n, upper, lower):  # type: ignore[no-untyped-def]
    """Coherence of two windows of five rows that share four."""
    for j in range(n):
        re = (b[j] + c[j]) + (d[j] + e[j])
        im = (b[PLANE + j] + c[PLANE + j]) + (d[PLANE + j] + e[PLANE + j])
        first = (b[2 * PLANE + j] + c[2 * PLANE + j]) + (d[2 * PLANE + j] + e[2 * PLANE + j])
        second = (b[3 * PLANE + j] + c[3 * PLANE + j]) + (d[3 * PLANE + j] + e[3 * PLANE + j])
        upper[j] = correlation(a[j] + re, a[PLANE + j] + im, a[2 * PLANE + j] + first, a[3 * PLANE + j] + second)
        lower[j] = correlation(re + f[j], im + f[PLANE + j], first + f[2 * PLANE + j], second + f[3 * PLANE + j])


@jit
def gaussian_along(terms, weights, n, row, first):  # type: ignore[no-untyped-def]
    """Weighted sums of neighbours in each plane: ``sum(weights[k] * x[j + k])`` for ``j < n``."""
    for q in range(PLANES):
        x, out = terms[q], row[q * PLANE + first :]
        for j in range(n):
            out[j] = weights[0] * x[j]
        for k in range(1, weights.size):
            weight, shifted = weights[k], x[k:]
            for j in range(n):
                out[j] += weight * shifted[j]


@jit
def gaussian_across(rows, first, weights, n, out):  # type: ignore[no-untyped-def]
    """Weighted sum of rows kept in a ring whose oldest is `first`."""
    out[:] = 0.0
    for k in range(weights.size):
        row, weight = rows[(first + k) % weights.size], weights[k]
        for q in range(PLANES):
            a, b = out[q * PLANE :], row[q * PLANE :]
            for j in range(n):
                a[j] += weight * b[j]
