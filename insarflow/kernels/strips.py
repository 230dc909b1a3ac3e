"""The loops of the Goldstein filter: strips of patches, from one side of the image to the other.

All patches of a strip share rows. So the transform along y is done once per column, before patches are cut, and its
inverse once per column, after the weighted patches are added; only the transform along x is each patch's own. The
columns at work and the spectrum of one patch stay in the fastest caches.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from insarflow.kernels._jit import jit, part
from insarflow.kernels.columns import (
    PAIR,
    add_patch,
    add_rows,
    add_weights,
    clear,
    clear_columns,
    load_columns,
    move_columns,
    sum_columns,
    turn_to_block,
    turn_to_columns,
)
from insarflow.kernels.fft import fft_lanes
from insarflow.kernels.lanes import LANES
from insarflow.kernels.spectrum import sharpen

ROOM = 4
"""Columns at work, in sides of a patch."""
INPUT, FILTER, UNIT = range(3)
"""Magnitude of the result: the input's, the filter's own, or one."""


class Rules(NamedTuple):
    """What is done to each patch.

    Attributes
    ----------
    window
        float32: weight of the pixels of a patch along y.
    scaled_window
        Along x, times the factor of the inverse transform.
    lowest, highest
        Limits of the exponent.
    shares, smoothing, clipped
        Smoothing of the spectrum's amplitude; see `insarflow.kernels.spectrum.sharpen`.
    min_valid
        Smallest number of valid pixels in a patch that is filtered.
    amplitude
        INPUT, FILTER or UNIT.
    normalise
        The sum of the patches is divided by the sum of their weights.
    fill
        Pixels that no filtered patch covers keep their value; otherwise they become 0.
    forward
        Which transform comes first: 0 for the forward one. With 1, the inverse, real and imaginary part change places.
    """

    window: np.ndarray
    scaled_window: np.ndarray
    lowest: np.float32
    highest: np.float32
    shares: np.ndarray
    smoothing: int
    clipped: bool
    min_valid: float
    amplitude: int
    normalise: bool
    fill: bool
    forward: int


class Work(NamedTuple):
    """Scratch for one strip of patches; see `insarflow.kernels.columns` for blocks and columns.

    Attributes
    ----------
    edge
        The image's last columns, too few for a block: pairs, the rest missing.
    block
        Eight columns.
    ahead
        Columns transformed along y.
    patch
        The spectrum of one patch.
    after
        Columns of the filtered patches' sum, weighted along x.
    plane, row
        Scratch of `insarflow.kernels.spectrum.sharpen`.
    valid
        Valid pixels of each column of the strip.
    coherence
        Their coherence, added up.
    covered
        Sum of the weights of the patches that were filtered, for each column.
    sum_re, sum_im, weight
        The last `side` rows of the result: row `y` at ``y % side``.
    """

    edge: np.ndarray
    block: np.ndarray
    ahead: np.ndarray
    patch: np.ndarray
    after: np.ndarray
    plane: np.ndarray
    row: np.ndarray
    valid: np.ndarray
    coherence: np.ndarray
    covered: np.ndarray
    sum_re: np.ndarray
    sum_im: np.ndarray
    weight: np.ndarray

    @classmethod
    def allocate(cls, width: int, side: int, smoothing: int) -> Self:
        """Scratch for images of `width` columns."""
        padded, spread, room = (width // LANES + 2) * LANES, side + smoothing - 1, ROOM * side
        sizes = (
            *(side * PAIR, side * PAIR, 2 * side * room, 2 * side * side, 2 * side * room),
            *(spread * spread + LANES, spread + LANES, *[padded] * 3, *[side * padded] * 3),
        )
        work = cls(*(np.zeros(n, np.float32) for n in sizes))
        work.edge[:] = np.nan
        return work


@jit
def filter_image(image, coherence, tops, lefts, core, rules, work, size, out):  # type: ignore[no-untyped-def]
    """Filter the part `core` of an image into `out`.

    Parameters
    ----------
    image
        float32 ``(y, 2 x)``, contiguous: pairs of real and imaginary part.
    coherence
        float32 ``(y, x)``, 0 where the image is missing. Without elements the exponent is ``rules.lowest``.
    tops, lefts
        First row and first column of the patches, rising; all patches lie inside the image.
    core
        First row, row after the last, first column, column after the last.
    size
        Side of a patch as `insarflow.kernels.lanes.octaves`.
    out
        float32 ``(rows, 2 columns)``; rows in no strip are left as they are.
    """
    side, padded = 1 << len(size), work.covered.size
    for k in range(tops.size):
        top = tops[k]
        next_top = tops[k + 1] if k + 1 < tops.size else top + side
        _filter_strip(image, coherence, top, lefts, core, rules, work, size)
        add_weights(work.covered, work.weight, padded // LANES, top, rules.window, size)
        for row in range(top, next_top):
            at = (row & (side - 1)) * padded
            if core[0] <= row < core[1]:
                first, last = at + core[2], at + core[3]
                _finish(
                    image[row, 2 * core[2] :], work.sum_re[first:last], work.sum_im[first:last],
                    work.weight[first:last], rules.amplitude, rules.normalise, rules.fill, out[row - core[0]],
                )  # fmt: skip
            for plane in (work.sum_re, work.sum_im, work.weight):
                clear(plane, at, padded // LANES)


@part
def _filter_strip(image, coherence, top, lefts, core, rules, work, size):  # type: ignore[no-untyped-def]
    """Add the patches that begin in row `top` to the sums."""
    side = 1 << len(size)
    room, padded = ROOM * side, work.covered.size
    clear(work.covered, 0, padded // LANES)
    # Columns first:entered are at work. Patches have been added up to column `reached`; columns before `left` are
    # complete and have been added to the sums.
    first = entered = reached = left = lefts[0]
    for k in range(lefts.size):
        start, stop = lefts[k], lefts[k] + side
        if stop + LANES > first + room:
            for columns in (work.ahead, work.after):
                move_columns(columns, left - first, entered - left, room, size)
            first = left
        while entered < stop:
            _enter(image, coherence, top, entered, entered - first, rules.forward, work, size)
            entered += LANES
        valid, coherent = np.float32(0.0), 0.0
        for column in range(start, stop):
            valid += work.valid[column]
            coherent += work.coherence[column]
        if valid > 0 and valid >= rules.min_valid:
            mean = coherent / valid
            alpha = np.float32(1.0 - mean) if coherence.size > 0 else rules.lowest
            alpha = alpha if alpha > rules.lowest else rules.lowest
            alpha = alpha if alpha < rules.highest else rules.highest
            for group in range(side // LANES):
                place = group * room + start - first
                fft_lanes(work.ahead, place * PAIR, work.patch, group * side * PAIR, rules.forward, size)
            sharpen(work.patch, alpha, rules.shares, rules.smoothing, rules.clipped, work.plane, work.row, size)
            for group in range(side // LANES):
                fft_lanes(work.patch, group * side * PAIR, work.patch, group * side * PAIR, 1 - rules.forward, size)
            add_patch(work.patch, work.after, start - first, reached - start, room, rules.scaled_window, size)
            for column in range(side):
                work.covered[start + column] += rules.window[column]
        else:
            clear_columns(work.after, reached - first, stop - reached, room, size)
        reached = stop
        if k + 1 == lefts.size:
            clear_columns(work.after, stop - first, entered - stop, room, size)
        next_start = lefts[k + 1] if k + 1 < lefts.size else stop + LANES
        while left + LANES <= next_start and left < stop:
            if left + LANES > core[2] and left < core[3]:
                turn_to_block(work.after, left - first, room, work.block, size)
                fft_lanes(work.block, 0, work.block, 0, 1 - rules.forward, size)
                add_rows(work.block, work.sum_re, work.sum_im, left, padded, top, rules.window, size)
            left += LANES


@part
def _enter(image, coherence, top, column, place, forward, work, size):  # type: ignore[no-untyped-def]
    """Transform eight columns of the strip along y; they become the columns at work from number `place` on."""
    side, room, width = 1 << len(size), ROOM << len(size), image.shape[1] // 2
    if column + LANES <= width:
        load_columns(image, (top * width + column) * 2, 2 * width, work.block, work.valid, column, size)
        if coherence.size > 0:
            sum_columns(coherence, top * width + column, width, work.coherence, column, size)
    else:
        for row in range(side):
            for k in range(2 * (width - column)):
                work.edge[row * PAIR + k] = image[top + row, 2 * column + k]
        load_columns(work.edge, 0, PAIR, work.block, work.valid, column, size)
        if coherence.size > 0:
            for k in range(column, width):
                work.coherence[k] = np.float32(0.0)
                for row in range(top, top + side):
                    work.coherence[k] += coherence[row, k]
    fft_lanes(work.block, 0, work.block, 0, forward, size)
    turn_to_columns(work.block, work.ahead, place, room, size)


@jit
def _finish(image, sum_re, sum_im, weight, amplitude, normalise, fill, out):  # type: ignore[no-untyped-def]
    """One row of the result, NaN where the image is missing, from the sums."""
    zero, one, nan = np.float32(0.0), np.float32(1.0), np.float32(np.nan)
    for k in range(out.size // 2):
        re, im = image[2 * k], image[2 * k + 1]
        missing = not (re - re == zero and im - im == zero)
        kept = weight[k] == zero or (sum_re[k] == zero and sum_im[k] == zero)
        a, b = sum_re[k], sum_im[k]
        if kept:
            a, b = (re, im) if fill else (zero, zero)
        if amplitude == FILTER:
            gain = one / weight[k] if normalise and not kept else one
        else:
            # Divided by the larger part first, because a square may be too large.
            given = abs(re) if abs(re) > abs(im) else abs(im)
            got = abs(a) if abs(a) > abs(b) else abs(b)
            shrink, turned = one / given if given > zero else zero, one / got if got > zero else zero
            x, y, c, d = re * shrink, im * shrink, a * turned, b * turned
            wanted = given * np.sqrt(x * x + y * y) if amplitude == INPUT else one
            gain = wanted * turned / np.sqrt(c * c + d * d) if got > zero else one
        out[2 * k] = nan if missing else a * gain
        out[2 * k + 1] = nan if missing else b * gain
