"""The loops of the Goldstein filter: strips of patches, from one side of the image to the other.

All patches of a strip share rows. So the transform along y is done once per column, before patches are cut, and its
inverse once per column, after the weighted patches are added; only the transform along x is each patch's own. The
columns at work and the spectrum of one patch stay in the fastest caches.

All scratch is one array, in which everything has its place: with an array for each, compiling takes twice as long.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from insarflow.kernels._jit import jit, part
from insarflow.kernels.columns import (
    PAIR,
    PLANES,
    add_line,
    add_patch,
    add_rows,
    add_weights,
    clear,
    clear_columns,
    copy_rows,
    finish,
    load_columns,
    move_columns,
    sum_columns,
    turn_to_block,
    turn_to_columns,
)
from insarflow.kernels.fft import fft_lanes
from insarflow.kernels.lanes import LANES
from insarflow.kernels.spectrum import sharpen, window_shares

ROOM = 2
"""Columns at work, in sides of a patch."""


class Rules(NamedTuple):
    """What is done to each patch.

    Attributes
    ----------
    lowest, highest
        Limits of the exponent.
    smoothing, clipped
        Smoothing of the spectrum's amplitude; see `insarflow.kernels.spectrum.sharpen`. A tuple of the window's length.
    min_valid
        Smallest number of valid pixels in a patch that is filtered.
    amplitude
        Magnitude of the result; see `insarflow.kernels.columns.finish`.
    normalise
        The sum of the patches is divided by the sum of their weights.
    fill
        Pixels that no filtered patch covers keep their value; otherwise they become 0.
    forward
        Which transform comes first: 0 for the forward one. With 1, the inverse, real and imaginary part change places.
    """

    lowest: np.float32
    highest: np.float32
    smoothing: tuple[int, ...]
    clipped: bool
    min_valid: float
    amplitude: int
    normalise: bool
    fill: bool
    forward: int


class Places(NamedTuple):
    """Where things begin in the scratch for a strip of patches; see `insarflow.kernels.columns` for blocks and columns.

    Attributes
    ----------
    window
        Weight of the pixels of a patch along y.
    scaled_window
        Along x, times the factor of the inverse transform.
    shares
        See `insarflow.kernels.spectrum.window_shares`.
    edge
        The image's last columns, too few for a block: pairs, the rest missing.
    edge_coherence
        Their coherence, the rest 0.
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
    sums
        The last `side` rows of the result, real, imaginary and weight: row `y` at ``y % side``.
    line
        One row of the result.
    padded
        Not a place: columns of a row of `sums`.
    room
        Nor this: columns at work, `ahead` and `after`.
    """

    window: int
    scaled_window: int
    shares: int
    edge: int
    edge_coherence: int
    block: int
    ahead: int
    patch: int
    after: int
    plane: int
    row: int
    valid: int
    coherence: int
    covered: int
    sums: int
    line: int
    padded: int
    room: int

    @classmethod
    def allocate(
        cls, width: int, window: np.ndarray, scale: float, smoothing: int, *, clipped: bool
    ) -> tuple[np.ndarray, Self]:
        """Scratch for images of `width` columns, and what stands where in it."""
        side = window.size
        padded, spread, room = (width // LANES + 2) * LANES, side + smoothing - 1, ROOM * side
        shares = window_shares(side, smoothing, clipped=clipped)
        sizes = (
            *(side, side, shares.size, side * PAIR, side * LANES, side * PAIR, 2 * side * room, 2 * side * side),
            *(2 * side * room, spread * spread + LANES, spread + LANES, *[padded] * 3, PLANES * side * padded),
            2 * (padded + LANES),
        )
        starts = np.concatenate([[0], np.cumsum([-(-size // LANES) * LANES for size in sizes])]).tolist()
        places, work = cls._make([*starts[:-1], padded, room]), np.zeros(starts[-1], np.float32)
        work[places.window :][:side], work[places.scaled_window :][:side] = window, window * np.float32(scale)
        work[places.shares :][: shares.size], work[places.edge :][: side * PAIR] = shares.reshape(-1), np.nan
        return work, places


@jit
def filter_image(image, coherence, width, tops, lefts, core, rules, work, places, size, out):  # type: ignore[no-untyped-def]
    """Filter the part `core` of an image into `out`.

    Parameters
    ----------
    image
        Rows of `width` pairs of real and imaginary part, float32, in one dimension.
    coherence
        Likewise, 0 where the image is missing. Without elements the exponent is ``rules.lowest``.
    tops, lefts
        First row and first column of the patches, rising; all patches lie inside the image.
    core
        First row, row after the last, first column, column after the last.
    work, places
        What `Places.allocate` gives.
    size
        Side of a patch as `insarflow.kernels.lanes.octaves`.
    out
        The core's rows of pairs; rows in no strip are left as they are.
    """
    side, padded, columns = 1 << len(size), places.padded, core[3] - core[2]
    for k in range(tops.size):
        top = tops[k]
        next_top = tops[k + 1] if k + 1 < tops.size else top + side
        _filter_strip(image, coherence, width, top, lefts, core, rules, work, places, size)
        add_weights(work, places.covered, places.sums + 2 * side * padded, padded, top, places.window, size)
        for row in range(top, next_top):
            at = places.sums + (row & (side - 1)) * padded
            if core[0] <= row < core[1]:
                finish(
                    image, 2 * (row * width + core[2]), columns, work, at + core[2], side * padded, places.line,
                    rules.amplitude, rules.normalise, rules.fill, out, 2 * (row - core[0]) * columns,
                )  # fmt: skip
            clear(work, at, padded, side * padded, PLANES)


@part
def _filter_strip(image, coherence, width, top, lefts, core, rules, work, places, size):  # type: ignore[no-untyped-def]
    """Add the patches that begin in row `top` to the sums."""
    side = 1 << len(size)
    room, padded = places.room, places.padded
    clear(work, places.covered, padded, 0, 1)
    # Columns first:entered are at work. Patches have been added up to column `reached`; columns before `left` are
    # complete and have been added to the sums.
    first = entered = reached = left = lefts[0]
    for k in range(lefts.size):
        start, stop = lefts[k], lefts[k] + side
        if stop + LANES > first + room:
            move_columns(work, places.ahead, left - first, entered - left, room, size)
            move_columns(work, places.after, left - first, entered - left, room, size)
            first = left
        while entered < stop:
            _enter(image, coherence, width, top, entered, entered - first, rules.forward, work, places, size)
            entered += LANES
        valid, coherent = np.float32(0.0), 0.0
        for column in range(start, stop):
            valid += work[places.valid + column]
            coherent += work[places.coherence + column]
        if valid > 0 and valid >= rules.min_valid:
            mean = coherent / valid
            alpha = np.float32(1.0 - mean) if coherence.size > 0 else rules.lowest
            alpha = alpha if alpha > rules.lowest else rules.lowest
            alpha = alpha if alpha < rules.highest else rules.highest
            for group in range(side // LANES):
                at = places.ahead + (group * room + start - first) * PAIR
                fft_lanes(work, at, places.patch + group * side * PAIR, rules.forward, size)
            sharpen(
                work, places.patch, alpha, places.shares, rules.smoothing, rules.clipped, places.plane, places.row, size
            )
            for group in range(side // LANES):
                at = places.patch + group * side * PAIR
                fft_lanes(work, at, at, 1 - rules.forward, size)
            at = places.after + (start - first) * PAIR
            add_patch(work, places.patch, at, reached - start, room, places.scaled_window, size)
            add_line(work, places.window, places.covered + start, size)
        else:
            clear_columns(work, places.after, reached - first, stop - reached, room, size)
        reached = stop
        if k + 1 == lefts.size:
            clear_columns(work, places.after, stop - first, entered - stop, room, size)
        next_start = lefts[k + 1] if k + 1 < lefts.size else stop + LANES
        while left + LANES <= next_start and left < stop:
            if left + LANES > core[2] and left < core[3]:
                turn_to_block(work, places.after + (left - first) * PAIR, room, places.block, size)
                fft_lanes(work, places.block, places.block, 1 - rules.forward, size)
                add_rows(work, places.block, places.sums + left, padded, top, places.window, size)
            left += LANES


@part
def _enter(image, coherence, width, top, column, place, forward, work, places, size):  # type: ignore[no-untyped-def]
    """Transform eight columns of the strip along y; they become the columns at work from number `place` on."""
    side, room, adaptive = 1 << len(size), places.room, coherence.size > 0
    pixels, at, stride = image, (top * width + column) * 2, 2 * width
    gamma, gamma_at, gamma_stride = coherence, top * width + column, width
    if column + LANES > width:
        copy_rows(image, at, stride, work, places.edge, PAIR, 2 * (width - column), side)
        pixels, at, stride = work, places.edge, PAIR
        if adaptive:
            copy_rows(coherence, gamma_at, width, work, places.edge_coherence, LANES, width - column, side)
            gamma, gamma_at, gamma_stride = work, places.edge_coherence, LANES
    load_columns(pixels, at, stride, work, places.block, places.valid + column, size)
    if adaptive:
        sum_columns(gamma, gamma_at, gamma_stride, work, places.coherence + column, size)
    fft_lanes(work, places.block, places.block, forward, size)
    turn_to_columns(work, places.block, places.ahead + place * PAIR, room, size)
