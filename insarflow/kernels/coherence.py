"""Sliding-window coherence of two images, or of an interferogram's phase alone."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.window_sums import (
    CHUNK,
    PLANE,
    PLANES,
    STRIP,
    accumulate,
    emit,
    emit_pair_3,
    emit_pair_5,
    gaussian_across,
    gaussian_along,
    plan_sums,
    sum_along,
    sum_few_along,
)
from insarflow.types import Looks, Tile

Weights = Literal["boxcar", "gaussian"]

FEW = (3, 5)
"""Heights of windows that are summed row by row, which is faster than prefixes and suffixes."""


def coherence(
    reference: np.ndarray,
    secondary: np.ndarray,
    *,
    window: Looks,
    weights: Weights = "boxcar",
    tile: Tile | None = None,
) -> np.ndarray:
    """Magnitude of the complex correlation of two coregistered images.

    Parameters
    ----------
    reference, secondary
        complex64, shape ``(..., y, x)``; the part ``tile.read`` of the whole. A pixel missing (NaN) in either image
        is left out of all sums.
    window
        Rows and columns averaged. An even window extends one further down and right than up and left.
    weights
        ``"boxcar"``: all pixels of the window alike. ``"gaussian"``: a Gaussian with the noise of such a window, see
        `gaussian`.
    tile
        Place in the whole array.

    Returns
    -------
    ndarray
        float32, 0..1, shape ``(..., *tile.core.shape)``; NaN where the centre pixel is missing or an image is
        dark all over the window. The window is cut at the array's border.

    Notes
    -----
    ``|sum(a conj(b))| / sqrt(sum|a|^2 sum|b|^2)``, in double precision. No sum holds anything from outside its window
    and its order depends on the place in the whole alone, so nothing depends on the tiling, and neither a bright
    target nor a missing pixel leaks.

    References
    ----------
    Touzi et al. (1999), doi:10.1109/36.739146. van Herk (1992), doi:10.1016/0167-8655(92)90069-C, for the sums.
    """
    return _each(reference, secondary, window, weights, tile)


def phase_coherence(
    igram: np.ndarray, *, window: Looks, weights: Weights = "boxcar", tile: Tile | None = None
) -> np.ndarray:
    """Length of the mean unit phasor in a sliding window: coherence from phase alone.

    Parameters, shapes, missing pixels and borders as in `coherence`. A pixel of value 0 has no phase and counts as
    missing in the sums.
    """
    return _each(igram, None, window, weights, tile)


def gaussian(window: int) -> np.ndarray:
    """Weights with the noise of a boxcar of `window` pixels: sigma = window / (2 sqrt(pi)), cut at 3 sigma."""
    sigma = window / (2 * math.sqrt(math.pi))
    reach = gaussian_reach(window)
    heights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights: np.ndarray = heights / heights.sum()
    return weights


def gaussian_reach(window: int) -> int:
    """Pixels on either side that have a weight; never more than `window`."""
    return round(3 * window / (2 * math.sqrt(math.pi)))


def window_reads(start: int, stop: int, size: int, *, window: int, weights: Weights = "boxcar") -> tuple[int, int]:
    """Input range that the windows centred on ``start:stop`` cover."""
    before, after = _extent(window, weights)
    return max(0, start - before), min(size, stop + after)


def row_grid(window: int, weights: Weights = "boxcar") -> int:
    """Rows at whose multiples an image may be cut so that the sums keep their order."""
    if weights == "gaussian":
        return 1
    return 2 if window in FEW else window


def _extent(window: int, weights: Weights) -> tuple[int, int]:
    """Pixels of a window before and after its centre."""
    if weights == "gaussian":
        return gaussian_reach(window), gaussian_reach(window)
    return (window - 1) // 2, window // 2


def _each(
    first: np.ndarray, second: np.ndarray | None, window: Looks, weights: Weights, tile: Tile | None
) -> np.ndarray:
    place = Tile.whole(first.shape) if tile is None else tile
    out = np.empty((*first.shape[:-2], *place.core.shape), np.float32)
    extent = _extent(window.y, weights), _extent(window.x, weights)
    centre = extent[0][0], extent[1][0]
    size = sum(extent[0]) + 1, sum(extent[1]) + 1
    start = place.core.y0 - place.read.y0 - centre[0], place.core.x0 - place.read.x0 - centre[1]
    blur = (gaussian(window.y), gaussian(window.x)) if weights == "gaussian" else None
    for index in np.ndindex(first.shape[:-2]):
        a = np.ascontiguousarray(first[index]).view(np.float32)
        b = None if second is None else np.ascontiguousarray(second[index]).view(np.float32)
        _image((a, b), place.read.y0, start, centre, size, blur, out[index])
    return out


def _image(
    images: tuple[np.ndarray, np.ndarray | None], anchor: int, start: tuple[int, int], centre: tuple[int, int],
    size: tuple[int, int], blur: tuple[np.ndarray, np.ndarray] | None, out: np.ndarray,
) -> None:  # fmt: skip
    """Coherence of one image whose first row is number `anchor` and whose first window begins at `start`.

    What a window does not need is None, and compiled away: a first call waits for little else than its own loops.
    """
    height, width = size
    terms = np.zeros((PLANES, max(CHUNK, 4 * width) + width - 1))
    plan = plan_sums(width)
    spare = np.empty((2, terms.shape[1])) if plan.size > 1 else None
    along = width, plan, spare, None if blur is None else blur[1]
    missing = np.zeros(out.shape[0], np.int64)
    rows, sums = np.zeros((height + 1, PLANES * PLANE)), np.zeros((2, PLANES * PLANE))
    for left in range(0, out.shape[1], STRIP):
        space = terms, missing, rows
        strip = left, min(STRIP, out.shape[1] - left)
        if blur is not None:
            _blur(images, start, centre, blur[0], along, space, sums, strip, out)
        elif height in FEW:
            _slide_few(images, anchor, start, centre, height, along, space, strip, out)
        else:
            _slide(images, anchor, start, centre, height, along, space, sums, strip, out)
    if missing.any():
        _blank(*images, start[0] + centre[0], start[1] + centre[1], missing, out)


@jit
def _slide(images, anchor, start, centre, window, along, space, sums, strip, out):  # type: ignore[no-untyped-def]
    """Boxcar coherence of one strip. See the module `insarflow.kernels.window_sums` for prefixes and suffixes."""
    left, n = strip
    rows, slots = space[2], window + 1
    prefix, nothing = sums[0], sums[1]
    slot, base = (anchor + start[0]) % window, 0
    oldest = slot
    prefix[:] = 0.0
    for k in range(out.shape[0] + window - 1):
        here = rows[(slot + base) % slots]
        _row_sums(images, k, start, centre, along, space, here, strip)
        top = k - window + 1
        if top >= 0:
            suffix = rows[(slot + 2 + base) % slots] if slot + 1 < window else nothing
            emit(prefix, here, suffix, n, out[top, left:])
        else:
            accumulate(prefix, here, n)
        slot += 1
        if slot == window:
            # What were rows become sums from each row to the block's end; the next block's begin one place before.
            for s in range(window - 2, max(0, oldest - 1), -1):
                accumulate(rows[(s + base) % slots], rows[(s + 1 + base) % slots], n)
            slot, base, oldest = 0, (base + slots - 1) % slots, 0
            prefix[:] = 0.0


@jit
def _slide_few(images, anchor, start, centre, window, along, space, strip, out):  # type: ignore[no-untyped-def]
    """As `_slide`, for windows of three or five rows: two by two, the first one in an even row of the whole."""
    left, n = strip
    rows, slots = space[2], window + 1
    outside = np.empty(n, np.float32)
    odd = (anchor + start[0]) % 2
    for k in range(-odd, out.shape[0] + window):
        here = rows[k % slots]
        if k < 0 or k == out.shape[0] + window - 1:
            here[:] = 0.0
        else:
            _row_sums(images, k, start, centre, along, space, here, strip)
        top = k - window
        if (k + odd) % 2 == 1 and top + 1 >= 0 and top < out.shape[0]:
            upper = out[top, left:] if top >= 0 else outside
            lower = out[top + 1, left:] if top + 1 < out.shape[0] else outside
            a, b, c, d = rows[top % slots], rows[(top + 1) % slots], rows[(top + 2) % slots], rows[(top + 3) % slots]
            if window == 3:
                emit_pair_3(a, b, c, d, n, upper, lower)
            else:
                emit_pair_5(a, b, c, d, rows[(top + 4) % slots], here, n, upper, lower)


@jit
def _blur(images, start, centre, weights, along, space, sums, strip, out):  # type: ignore[no-untyped-def]
    """Gaussian coherence of one strip."""
    left, n = strip
    rows = space[2]
    for k in range(out.shape[0] + weights.size - 1):
        _row_sums(images, k, start, centre, along, space, rows[k % weights.size], strip)
        top = k - weights.size + 1
        if top >= 0:
            gaussian_across(rows, top, weights, n, sums[0])
            emit(sums[0], sums[1], sums[1], n, out[top, left:])


@jit
def _row_sums(images, k, start, centre, along, space, row, strip):  # type: ignore[no-untyped-def]
    """Sums along x of the `k`-th row of a strip; counts the missing pixels of that row."""
    a, b = images
    window, plan, spare, weights = along
    terms, missing = space[0], space[1]
    y = start[0] + k
    if y < 0 or y >= a.shape[0]:
        row[:] = 0.0
        return
    holes, chunk = 0, terms.shape[1] - window + 1
    for first in range(0, strip[1], chunk):
        n = min(chunk, strip[1] - first)
        needed, x = n + window - 1, start[1] + strip[0] + first
        before, stop = max(0, -x), min(needed, a.shape[1] // 2 - x)
        if before or stop < needed:
            terms[:] = 0.0
        holes += _terms(a, b, y, 2 * (x + before), stop - before, terms, before)
        _along(weights, spare, terms, plan, window, n, row, first)
    if 0 <= k - centre[0] < missing.size:
        missing[k - centre[0]] += holes


@jit
def _terms(a, b, y, x, n, terms, at):  # type: ignore[no-untyped-def]
    """What is summed of `n` pixels, into the planes of `terms` from `at` on; returns the number of missing pixels."""
    if b is None:
        return _phase_terms(a[y, x:], n, terms, at)
    else:  # noqa: RET505 - numba leaves the other branch out only if there are two
        return _pair_terms(a[y, x:], b[y, x:], n, terms, at)


@jit
def _along(weights, spare, terms, plan, window, n, row, first):  # type: ignore[no-untyped-def]
    """Sums along x; what is None is compiled away."""
    if weights is not None:
        gaussian_along(terms, weights, n, row, first)
    elif spare is not None:
        sum_along(terms, spare, plan, window, n, row, first)
    else:
        sum_few_along(terms, window, n, row, first)


@jit
def _pair_terms(a, b, n, terms, at):  # type: ignore[no-untyped-def]
    """Products of two images into planes; returns the number of missing pixels."""
    re, im, first, second = terms[0, at:], terms[1, at:], terms[2, at:], terms[3, at:]
    holes = 0
    for c in range(n):
        ar, ai = np.float64(a[2 * c]), np.float64(a[2 * c + 1])
        br, bi = np.float64(b[2 * c]), np.float64(b[2 * c + 1])
        power, other = ar * ar + ai * ai, br * br + bi * bi
        there = power + other < np.inf
        re[c] = ar * br + ai * bi if there else 0.0
        im[c] = ai * br - ar * bi if there else 0.0
        first[c] = power if there else 0.0
        second[c] = other if there else 0.0
        holes += not there
    return holes


@jit
def _phase_terms(z, n, terms, at):  # type: ignore[no-untyped-def]
    """Unit phasors, and their number twice: the square root of its square is what the length is divided by."""
    re, im, first, second = terms[0, at:], terms[1, at:], terms[2, at:], terms[3, at:]
    holes = 0
    for c in range(n):
        zr, zi = np.float64(z[2 * c]), np.float64(z[2 * c + 1])
        power = zr * zr + zi * zi
        there = 0.0 < power < np.inf
        length = np.sqrt(power if there else 1.0)
        re[c] = zr / length if there else 0.0
        im[c] = zi / length if there else 0.0
        first[c] = 1.0 if there else 0.0
        second[c] = 1.0 if there else 0.0
        holes += not power < np.inf
    return holes


@jit
def _blank(a, b, top, left, missing, out):  # type: ignore[no-untyped-def]
    """Write NaN where the centre pixel is missing, in the rows that have missing ones."""
    for i in range(out.shape[0]):
        if missing[i]:
            for j in range(out.shape[1]):
                r, c = top + i, 2 * (left + j)
                there = np.isfinite(a[r, c]) and np.isfinite(a[r, c + 1])
                if b is not None:
                    there = there and np.isfinite(b[r, c]) and np.isfinite(b[r, c + 1])
                if not there:
                    out[i, j] = np.nan
