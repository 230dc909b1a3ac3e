"""A straight line in time, with topography, through the dates of one pixel, and the covariance of all that follows.

``d = offset of the component + velocity * years + height * baseline``. What depends on the network of the pixel alone,
not on its values, is prepared once and serves all pixels that have the same pairs and weights.
"""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.envelope import solve


@jit
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(a.shape[0]):
        total += a[k] * b[k]
    return total


@jit
def prepare_line(factor, inverse, first, ground, years, baselines, count, model, spread, numbers):  # type: ignore[no-untyped-def]
    """What does not depend on the pixel's values: how velocity and height follow from the dates, and their errors.

    Rows of `model`: years and baselines without their mean over the component; weights of the dates in velocity and in
    height; these two times the dates' covariance. `spread`: variance of a date's displacement in units of that of a
    date's own noise, and of a pair's. `numbers`: degrees of freedom of the scatter about the line (-1 where there is no
    line), what the pairs' noise adds to that, degrees of freedom of the pairs, variance of velocity and of height in
    both units, and the number of dates.
    """
    n, topography = years.shape[0], baselines.shape[0] > 0
    dates, parts = _centre(ground, years, model[0])
    if topography:
        _centre(ground, baselines, model[1])
    for q in range(2, 6):
        for k in range(n):
            model[q, k] = 0.0
    tt, tb, bb = 0.0, 0.0, 0.0
    for k in range(n):
        tt += model[0, k] * model[0, k]
        tb += model[0, k] * model[1, k]
        bb += model[1, k] * model[1, k]
    if not topography:
        bb = 1.0
    determinant = tt * bb - tb * tb
    freedom = dates - parts - (2 if topography else 1)
    defined = freedom >= 0 and determinant > 1e-9 * tt * bb
    numbers[0] = freedom if defined else -1
    numbers[2] = count - (dates - parts)
    for q in range(3, 7):
        numbers[q] = np.nan if topography else 0.0
    trace = _trace(factor, inverse, first, ground, model[5])
    if defined:
        for k in range(n):
            model[2, k] = (bb * model[0, k] - tb * model[1, k]) / determinant
            if topography:
                model[3, k] = (tt * model[1, k] - tb * model[0, k]) / determinant
        for q in range(2):
            _times_covariance(factor, first, ground, model[2 + q], model[4 + q])
            numbers[3 + 2 * q] = _dot(model[2 + q], model[2 + q])
            numbers[4 + 2 * q] = _dot(model[2 + q], model[4 + q])
        # The part of the noise that the line takes up: the trace of (years, baselines) times their inverse.
        for k in range(n):
            trace -= model[0, k] * model[4, k] + model[1, k] * model[5, k]
    numbers[1] = trace
    for k in range(n):
        spread[0, k] = spread[1, k] = 0.0
        if ground[k] >= 0 and ground[k] != k:
            b = baselines[k] - baselines[ground[k]] if topography else 0.0
            spread[0, k] = 2.0 - 2.0 * b * (model[3, k] - model[3, ground[k]]) + b * b * numbers[5]
            spread[1, k] = inverse[k, k] - 2.0 * b * model[5, k] + b * b * numbers[6]


@jit
def _centre(ground, values, out):  # type: ignore[no-untyped-def]
    """Write the values without their mean over the component; the number of dates and of components."""
    n, dates, parts = values.shape[0], 0, 0
    for g in range(n):
        out[g] = 0.0 if ground[g] < 0 else out[g]
        if ground[g] != g:
            continue
        total, size = 0.0, 0
        for k in range(g, n):
            if ground[k] == g:
                total += values[k]
                size += 1
        for k in range(g, n):
            if ground[k] == g:
                out[k] = values[k] - total / size
        dates += size
        parts += 1
    return dates, parts


@jit
def _times_covariance(factor, first, ground, vector, out):  # type: ignore[no-untyped-def]
    """Write the covariance of the dates, for pairs of unit noise, times a vector."""
    for k in range(vector.shape[0]):
        out[k] = 0.0 if ground[k] == k or ground[k] < 0 else vector[k]
    solve(factor, first, out)


@jit
def _trace(factor, inverse, first, ground, work):  # type: ignore[no-untyped-def]
    """Trace of the covariance of the dates without their mean over the component."""
    n, total = ground.shape[0], 0.0
    for k in range(n):
        work[k] = 1.0
    _times_covariance(factor, first, ground, work, work)
    for g in range(n):
        if ground[g] != g:
            continue
        size, both = 0, 0.0
        for k in range(g, n):
            if ground[k] == g:
                size += 1
                both += work[k]
                total += inverse[k, k] if k != g else 0.0
        total -= both / size
    for k in range(n):
        work[k] = 0.0
    return total


@jit
def fit_line(d, ground, model, numbers, baselines, unit, noise, planes, i, j):  # type: ignore[no-untyped-def]
    """Write velocity and height with their errors, take the height out of `d`; the variance of a date's own noise."""
    n, topography = d.shape[0], baselines.shape[0] > 0
    if numbers[0] < 0:
        for k in range(n):
            d[k] = np.nan if topography else d[k]
        return noise * noise if noise >= 0 else np.nan
    velocity, height = _dot(model[2], d), _dot(model[3], d)
    if topography:
        for k in range(n):
            if ground[k] >= 0:
                d[k] -= height * (baselines[k] - baselines[ground[k]])
    own = noise * noise if noise >= 0 else _scatter(d, ground, model[0], velocity, numbers, unit)
    planes[0, i, j], planes[1, i, j] = velocity, np.sqrt(own * numbers[3] + unit * numbers[4])
    if topography:
        planes[2, i, j], planes[3, i, j] = height, np.sqrt(own * numbers[5] + unit * numbers[6])
    return own


@jit
def _scatter(d, ground, years, velocity, numbers, unit):  # type: ignore[no-untyped-def]
    """Variance of a date's own noise, from the scatter about the line; NaN without degrees of freedom."""
    if numbers[0] == 0:
        return np.nan
    n, total = d.shape[0], 0.0
    for g in range(n):
        if ground[g] != g:
            continue
        mean, size = 0.0, 0
        for k in range(g, n):
            if ground[k] == g:
                mean += d[k] - velocity * years[k]
                size += 1
        for k in range(g, n):
            if ground[k] == g:
                total += (d[k] - velocity * years[k] - mean / size) ** 2
    return max(0.0, (total - unit * numbers[1]) / numbers[0])
