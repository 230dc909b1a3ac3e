"""Sliding-window coherence of two images, or of an interferogram's phase alone."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.doubles import FOUR
from insarflow.kernels.window_sums import (
    CHUNK,
    GROUP,
    PLANES,
    ROW,
    STRIP,
    accumulate,
    add_parts,
    add_weighted,
    clear,
    emit,
    emit_pair,
    emit_weighted,
    form_sums,
    plan_sums,
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
    slots = height + 1
    plane = CHUNK + width + 3 * FOUR
    if blur is None:
        parts, steps = _steps(width, (slots + 2) * ROW, PLANES * plane)
    else:
        parts, steps = (0,), np.empty((0, 6), np.int64)
    work = np.zeros((slots + 2) * ROW + (0 if steps is None else 3 * PLANES * plane))
    holes = np.zeros((out.shape[0] + height - 1, FOUR))
    edge, spare = np.empty(4 * (CHUNK + width + 6 * FOUR), np.float32), np.empty(2 * FOUR, np.float32)
    few = (0,) * height if blur is None and height in FEW else None
    across, along = (None, None) if blur is None else blur
    a, b = images
    _sums(
        a.reshape(-1), None if b is None else b.reshape(-1), a.shape[0], a.shape[1] // 2, anchor, start[0], start[1],
        parts, steps, along, plane, few, across, height, work, edge, spare, holes.reshape(-1),
        out.shape[0], out.shape[1], out.reshape(-1),
    )  # fmt: skip
    missing = holes[centre[0] : centre[0] + out.shape[0]].any(axis=1)
    if missing.any():
        _blank(*images, start[0] + centre[0], start[1] + centre[1], missing, out)


def _steps(width: int, at: int, room: int) -> tuple[tuple[int, ...], np.ndarray | None]:
    """How sums along x are built: how many neighbours at once (as the length of a tuple), then the rest.

    A step is what `add_parts` is given: where its numbers begin, how far apart, how many, what else is added, where
    its sums go (-1: to the row), and how many more than the row needs.
    """
    plan = plan_sums(width).tolist()
    fused = plan[0] if plan[0] else 1
    if fused == width:
        return (0,) * fused, None
    x, other, rest = at, at + room, at + 2 * room
    parts, size, aside, steps = width // fused, fused, -1, []
    for k in plan[1:] if plan[0] else plan:
        if k == 0:
            parts -= 1
            steps.append((x + parts * size, 1, 1, aside, rest, 0))
            aside = rest
            continue
        parts //= k
        last = parts == 1 and aside < 0
        steps.append((x, size, k, -1, -1 if last else other, 0 if last else (parts - 1) * size * k))
        size *= k
        x, other = other, x
    if aside >= 0:
        steps.append((x, 1, 1, aside, -1, 0))
    return (0,) * fused, np.array(steps, np.int64)


@jit
def _sums(  # type: ignore[no-untyped-def]
    a, b, rows, cols, anchor, top, left, parts, steps, along, plane, few, blur, window, work, edge, spare, holes,
    height, width, out,
):  # fmt: skip
    """Coherence, strip by strip. See the module `insarflow.kernels.window_sums` for prefixes and suffixes.

    Windows of few rows are summed two by two, the first one in an even row of the whole.
    """
    slots, terms = window + 1, (window + 3) * ROW
    further = (plane - CHUNK) // 4 - 2
    prefix, nothing = slots * ROW, (slots + 1) * ROW
    odd, extra = ((anchor + top) % 2, 1) if few is not None else (0, 0)
    for strip in range(0, width, STRIP):
        n = min(STRIP, width - strip)
        slot, base = (anchor + top) % window, 0
        oldest = slot
        clear(work, prefix)
        for k in range(-odd, height + window - 1 + extra):
            if blur is not None:
                here = k % window * ROW
            elif few is not None:
                here = k % slots * ROW
            else:
                here = (slot + base) % slots * ROW
            y = top + k
            if k < 0 or k >= height + window - 1 or y < 0 or y >= rows:
                clear(work, here)
            else:
                for first in range(0, n, CHUNK):
                    groups, x, to = (min(CHUNK, n - first) + 3) // 4, left + strip + first, here + 4 * first
                    if steps is None:
                        form_sums(a, b, 2 * cols * y, x, cols, edge, groups, parts, work, to, GROUP, 4, holes, k)
                    else:
                        wide = groups + further
                        form_sums(a, b, 2 * cols * y, x, cols, edge, wide, parts, work, terms, 4, plane, holes, k)
                        if along is not None:
                            add_weighted(work, terms, along, along.size, plane, to, groups)
                        else:
                            for s in range(steps.shape[0]):
                                last = steps[s, 4] < 0
                                add_parts(
                                    work, steps[s, 0], steps[s, 1], steps[s, 2], steps[s, 3],
                                    to if last else steps[s, 4], GROUP if last else 4, plane, 4 if last else plane,
                                    groups + (steps[s, 5] + 3) // 4,
                                )  # fmt: skip
            at = (k - window + 1) * width + strip
            if blur is not None:
                if k >= window - 1:
                    emit_weighted(work, (k + 1) % window, blur, window, n, out, at, spare)
            elif few is not None:
                if (k + odd) % 2 == 1 and window - 1 <= k < height + window:
                    upper = at - width if k >= window else -1
                    lower = at if k < height + window - 1 else -1
                    a0, a1, a2 = (k + 1) % slots * ROW, (k + 2) % slots * ROW, (k + 3) % slots * ROW
                    a3, a4 = (k + 4) % slots * ROW, (k + 5) % slots * ROW
                    emit_pair(work, a0, a1, a2, a3, a4, here, few, n, out, upper, lower, spare)
            else:
                if k >= window - 1:
                    suffix = (slot + 2 + base) % slots * ROW if slot + 1 < window else nothing
                    emit(work, prefix, here, suffix, n, out, at, spare)
                else:
                    accumulate(work, prefix, here, (n + 3) // 4)
                slot += 1
                if slot == window:
                    # What were rows become sums from each row to the block's end; the next block's begin one before.
                    for s in range(window - 2, max(0, oldest - 1), -1):
                        accumulate(work, (s + base) % slots * ROW, (s + 1 + base) % slots * ROW, (n + 3) // 4)
                    slot, base, oldest = 0, (base + slots - 1) % slots, 0
                    clear(work, prefix)


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
