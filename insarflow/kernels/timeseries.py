"""Displacement of every date from a network of unwrapped interferograms, pixel by pixel, with its errors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from insarflow.kernels import network
from insarflow.kernels._jit import jit
from insarflow.kernels.envelope import factorise, invert, solve
from insarflow.kernels.line import fit_line, prepare_line
from insarflow.kernels.phase_statistics import phase_std
from insarflow.kernels.unwrapping_errors import adjacency, blame, count_open

TILE = 32
"""Pixels whose pairs are laid out side by side at once."""

MOST_COHERENT = 0.999
"""Coherence is taken as at most this, so that no pair counts as free of noise."""

KNOTS = 2001


@dataclass(frozen=True)
class Network:
    """What is known of the dates and pairs of a stack.

    Attributes
    ----------
    pairs
        int64, shape ``(pair, 2)``: positions of the earlier and the later date.
    years
        float64, shape ``(date,)``: time of each date, in years, ascending.
    baselines
        float64, shape ``(date,)``: perpendicular baseline of each date, m; None if residual topography is not sought.
    """

    pairs: np.ndarray
    years: np.ndarray
    baselines: np.ndarray | None = None


@dataclass(frozen=True)
class Series:
    """What `invert_network` gives; NaN where unknown.

    Attributes
    ----------
    displacement, displacement_std
        float32, shape ``(date, y, x)``, m, toward the satellite since the first date of the network's component.
    velocity, velocity_std
        float32, shape ``(y, x)``, m/yr.
    height, height_std
        float32, shape ``(y, x)``: residual topography divided by slant range times the sine of the incidence; NaN
        where it is not sought.
    temporal_coherence
        float32, 0..1. Magnitude of the mean phasor of the pairs' residuals.
    residual_rms
        float32, rad, of the pairs' residuals.
    pairs
        int32. Number of pairs used.
    closure_errors
        int32. Number of triplets that do not close.
    unwrapping_flag
        bool, shape ``(pair, y, x)``.
    """

    displacement: np.ndarray
    displacement_std: np.ndarray
    velocity: np.ndarray
    velocity_std: np.ndarray
    height: np.ndarray
    height_std: np.ndarray
    temporal_coherence: np.ndarray
    residual_rms: np.ndarray
    pairs: np.ndarray
    closure_errors: np.ndarray
    unwrapping_flag: np.ndarray


def invert_network(
    phase: np.ndarray,
    coherence: np.ndarray | None = None,
    delay: np.ndarray | None = None,
    *,
    net: Network,
    wavelength: float,
    looks: float = 1.0,
    noise: float | None = None,
    drop: bool = False,
) -> Series:
    """Weighted least squares over a network of pairs, then a line in time through the dates.

    Parameters
    ----------
    phase
        Unwrapped phase, float32, rad, positive away from the satellite, shape ``(pair, y, x)``; NaN is missing.
    coherence
        float32, same shape; pairs are weighted by the inverse variance that it means for `looks` independent looks.
        None: all alike.
    delay
        Delay of the radar signal in the air along the line of sight, one way, m, shape ``(date, y, x)``; subtracted.
    net
        The network.
    wavelength
        m.
    noise
        Standard deviation of one date's noise, m; None: from the scatter of the dates about the line.
    drop
        Whether pairs are left out where their unwrapping is flagged.

    Returns
    -------
    Series
        See there.

    Notes
    -----
    ``phase = B x + e``: B the incidence matrix, x the phase of the dates, solved by normal equations with the first
    date of every component (of the pairs the pixel has) held at 0. ``d = -wavelength / (4 pi) x`` then is fitted by
    ``d = offset of the component + velocity * years + height * baseline``, all dates alike.

    Noise has two parts. Every date has noise of its own (atmosphere, and decorrelation as far as pairs share it), of
    variance A, which is in all of its pairs and which no number of pairs averages away. What does not close, e, is
    every pair's own, of variance S / weight. S is the weighted sum of squared residuals over its degrees of freedom, 0
    without redundant pairs. A is what the scatter of the dates about the line has beyond that.
    The covariance of x is ``A (1 + 1 1^T) + S (B^T W B)^-1``, that of all results follows from it.
    """
    count, (height, width) = len(net.years), phase.shape[1:]
    first = network.envelope(net.pairs, count)
    last = np.array([np.flatnonzero(first <= k).max() for k in range(count)])
    triplets = network.triplets(net.pairs)
    labels = network.components(net.pairs, count)
    reference = np.unique(labels, return_index=True)[1][labels]
    planes = np.full((6, height, width), np.nan, np.float32)
    counts = np.zeros((2, height, width), np.int32)
    dates = np.full((2, count, height, width), np.nan, np.float32)
    flagged = np.zeros(phase.shape, np.bool_)
    none = np.zeros((0, 0, 0), np.float32)
    _invert(
        phase, none if coherence is None else coherence, none if delay is None else delay,
        _variance(float(looks)), np.ascontiguousarray(net.pairs, np.int64), first, last, reference,
        triplets, *adjacency(triplets, len(net.pairs)), net.years - net.years[0],
        np.zeros(0) if net.baselines is None else np.asarray(net.baselines, np.float64),
        -wavelength / (4 * np.pi), -1.0 if noise is None else noise, drop, planes, counts, dates, flagged,
        _work(len(net.pairs), count, len(triplets)),
    )  # fmt: skip
    images = [*dates, *planes, *counts, flagged]
    return Series(**dict(zip((field.name for field in fields(Series)), images, strict=True)))


@lru_cache(maxsize=32)
def _variance(looks: float) -> np.ndarray:
    """Variance of the phase, rad^2, at even steps of coherence from 0 to `MOST_COHERENT`."""
    table: np.ndarray = phase_std(np.linspace(0.0, MOST_COHERENT, KNOTS), looks=looks) ** 2
    return table


def _work(pairs: int, dates: int, triplets: int) -> tuple[np.ndarray, ...]:
    """Room for one pixel; made here, since compiling what makes it would take longer than all the rest."""
    return (
        *(np.empty((TILE, n)) for n in (pairs, pairs, dates)),
        *(np.zeros(pairs, np.bool_) for _ in range(3)),
        np.ones(pairs),
        *(np.zeros(n, np.int64) for n in (dates, triplets)),
        *(np.zeros(shape) for shape in ((dates, dates), (dates, dates), (6, dates), (2, dates), 7, dates, dates)),
    )


@jit
def _invert(  # type: ignore[no-untyped-def]
    phase, coherence, delay, variance, pairs, first, last, reference, triplets, start, member, years, baselines, scale,
    noise, drop, planes, counts, dates, flagged, work,
):  # fmt: skip
    m, n = pairs.shape[0], years.shape[0]
    tile, gammas, delays, used, known, flags, weight, ground, cycles = work[:9]
    factor, inverse, model, spread, numbers, x, d = work[9:]
    weighted, ready = coherence.shape[0] > 0, False
    for i in range(phase.shape[1]):
        for left in range(0, phase.shape[2], TILE):
            width = min(TILE, phase.shape[2] - left)
            _gather(phase, i, left, width, tile)
            if weighted:
                _gather(coherence, i, left, width, gammas)
            if delay.shape[0] > 0:
                _gather(delay, i, left, width, delays)
                _subtract(tile, delays, pairs, width, 1.0 / scale)
            for k in range(width):
                j, values = left + k, tile[k]
                count = _weigh(values, gammas[k], weighted, variance, used, weight)
                counts[1, i, j] = count_open(values, used, triplets, cycles)
                if counts[1, i, j] > 0:
                    for p in range(m):
                        flags[p] = False
                    blame(cycles, used, triplets, start, member, flags)
                    for p in range(m):
                        flagged[p, i, j] = flags[p]
                        if drop and flags[p]:
                            used[p] = False
                            count -= 1
                counts[0, i, j] = count
                if count == 0:
                    continue
                same = _copied(used, known) and ready
                if not same:
                    _ground(pairs, used, ground)
                if weighted or not same:
                    _normal(pairs, used, weight, ground, first, factor)
                    factorise(factor, first)
                    invert(factor, first, last, inverse)
                    prepare_line(factor, inverse, first, ground, years, baselines, count, model, spread, numbers)
                    ready = True
                _dates(values, pairs, used, weight, ground, factor, first, x)
                total = _residuals(values, pairs, used, weight, x, count, planes, i, j)
                unit = total * scale * scale / numbers[2] if numbers[2] > 0 else 0.0
                for p in range(n):
                    d[p] = scale * x[p]
                own = fit_line(d, ground, model, numbers, baselines, unit, noise, planes, i, j)
                for p in range(n):
                    if ground[p] == reference[p]:
                        # At the first date both are 0, or NaN where the height taken out of the others is unknown.
                        origin = 0.0 * d[p] + 0.0
                        error = np.sqrt(own * spread[0, p] + unit * spread[1, p])
                        dates[0, p, i, j] = origin if p == ground[p] else d[p]
                        dates[1, p, i, j] = origin if p == ground[p] else error


@jit
def _gather(image, row, left, width, out):  # type: ignore[no-untyped-def]
    for m in range(image.shape[0]):
        for k in range(width):
            out[k, m] = image[m, row, left + k]


@jit
def _subtract(tile, delays, pairs, width, factor):  # type: ignore[no-untyped-def]
    """Take the delay in the air out of the pairs' phase: a longer way is motion away, `factor` is rad per m toward."""
    for k in range(width):
        for p in range(pairs.shape[0]):
            tile[k, p] += factor * (delays[k, pairs[p, 1]] - delays[k, pairs[p, 0]])


@jit
def _weigh(values, gammas, weighted, variance, used, weight):  # type: ignore[no-untyped-def]
    """Which pairs a pixel has, and their weights; the number of them."""
    count, knots = 0, variance.shape[0]
    for p in range(values.shape[0]):
        used[p] = np.isfinite(values[p])
        if weighted and used[p]:
            gamma = gammas[p]
            used[p] = np.isfinite(gamma)
            if used[p]:
                at = min(max(gamma, 0.0), MOST_COHERENT) * (knots - 1) / MOST_COHERENT
                k = min(np.int64(at), knots - 2)
                weight[p] = 1.0 / (variance[k] + (at - k) * (variance[k + 1] - variance[k]))
        count += used[p]
    return count


@jit
def _copied(source, to):  # type: ignore[no-untyped-def]
    """Copy; whether it was there already."""
    same = True
    for k in range(source.shape[0]):
        same &= source[k] == to[k]
        to[k] = source[k]
    return same


@jit
def _ground(pairs, used, ground):  # type: ignore[no-untyped-def]
    """For every date the first date of its component in this pixel; -1 where it has no pair."""
    for k in range(ground.shape[0]):
        ground[k] = -1
    for p in range(pairs.shape[0]):
        if used[p]:
            ground[pairs[p, 0]], ground[pairs[p, 1]] = pairs[p, 0], pairs[p, 1]
    moved = True
    while moved:
        moved = False
        for p in range(pairs.shape[0]):
            a, b = ground[pairs[p, 0]], ground[pairs[p, 1]]
            if used[p] and a != b:
                ground[pairs[p, 0]] = ground[pairs[p, 1]] = min(a, b)
                moved = True


@jit
def _normal(pairs, used, weight, ground, first, matrix):  # type: ignore[no-untyped-def]
    """Lower half of ``B^T W B``; a date that is held at 0, or has no pair, has a row of its own."""
    for i in range(matrix.shape[0]):
        for j in range(first[i], i):
            matrix[i, j] = 0.0
        matrix[i, i] = 1.0 if ground[i] == i or ground[i] < 0 else 0.0
    for p in range(pairs.shape[0]):
        if used[p]:
            a, b = pairs[p, 0], pairs[p, 1]
            if ground[a] != a:
                matrix[a, a] += weight[p]
                matrix[b, a] -= weight[p]
            matrix[b, b] += weight[p]


@jit
def _dates(values, pairs, used, weight, ground, factor, first, x):  # type: ignore[no-untyped-def]
    """Phase of the dates."""
    for k in range(x.shape[0]):
        x[k] = 0.0
    for p in range(pairs.shape[0]):
        if used[p]:
            a, b = pairs[p, 0], pairs[p, 1]
            if ground[a] != a:
                x[a] -= weight[p] * values[p]
            x[b] += weight[p] * values[p]
    solve(factor, first, x)


@jit
def _residuals(values, pairs, used, weight, x, count, planes, i, j):  # type: ignore[no-untyped-def]
    """Write temporal coherence and root mean square of the residuals; their weighted sum of squares."""
    total, squares, re, im = 0.0, 0.0, 0.0, 0.0
    for p in range(pairs.shape[0]):
        if used[p]:
            r = values[p] - (x[pairs[p, 1]] - x[pairs[p, 0]])
            total += weight[p] * r * r
            squares += r * r
            re += np.cos(r)
            im += np.sin(r)
    planes[4, i, j] = np.sqrt(re * re + im * im) / count
    planes[5, i, j] = np.sqrt(squares / count)
    return total
