"""Single-look complex images in radar geometry, each a function of (seed, acquisition, sample)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from insarflow.kernels._jit import jit, part
from insarflow.kernels.bridge import START, blends, complex_normal, draw_walk, walk
from insarflow.kernels.elementary import RUN, cosine, sine, workspace
from insarflow.kernels.impulse import REACH, filtered_row, filtered_rows, taps
from insarflow.kernels.noise import stream_key
from insarflow.types import Window

THERMAL_POWER = 0.01
"""Power of the receiver's noise; flat ground has 1."""

BRANCHES = 3
"""Places on the ground that one sample may see at once."""

MARGIN = REACH
"""Lines, and samples, around the window drawn that the geometry must be known of."""

_STREAM = 0x51C  # keeps these random numbers apart from other fields of the same seed
_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_THERMAL, _HALF_TURN = np.float32(THERMAL_POWER), np.float32(np.pi)


def single_looks(
    numbers: Sequence[int],
    *,
    row: np.ndarray,
    col: np.ndarray,
    weight: np.ndarray,
    first: np.ndarray,
    floor: np.ndarray,
    decay_days: np.ndarray,
    phase: np.ndarray,
    quality: np.ndarray,
    repeat_days: float,
    window: Window,
    seed: int,
    subswath: int,
) -> np.ndarray:
    """Draw single-look complex images of ground whose coherence in time is known.

    Parameters
    ----------
    numbers
        The acquisitions drawn, n of them; number i is taken at time ``i * repeat_days``. From 0 on, in any order.
    row, col, weight
        float32, shape ``(BRANCHES, window.height + 2 * MARGIN, window.width + 2 * MARGIN)``: what each sample of the
        window and a margin around it sees: places in index coordinates of the ground rasters (a whole number is a
        cell's centre; beyond the outermost centres, the outermost), and amplitude, 1 for flat ground. Where `weight`
        is 0 a branch sees nothing and its place has no meaning.
    first, floor, decay_days
        float32, shape ``(y, x)``, ground rasters: coherence between acquisitions t days apart is
        ``floor + (first - floor) exp(-t / decay_days)``, ``0 <= floor <= first <= 1``. The nearest cell counts.
    phase
        float32, shape ``(n, y, x)``: range phase in radians of each acquisition, taken bilinearly; the image has its
        negative.
    quality
        float32, shape ``(n, y, x)``, 0..1: share of an acquisition's signal that correlates with others. Nearest.
    repeat_days
        Days from an acquisition to the next number.
    window
        Radar samples drawn (lines, samples), counted from any fixed origin: noise is a function of them.
    seed
        Two scenes of different seeds are independent.
    subswath
        1, 2 or 3: the sensor's impulse response, that of IW1, IW2 or IW3.

    Returns
    -------
    ndarray
        complex64, shape ``(n, window.height, window.width)``. Flat ground has unit mean power, shadow
        `THERMAL_POWER`, which is added everywhere.

    Raises
    ------
    TypeError
        If `numbers` are not whole.
    ValueError
        If a shape does not fit, a number is negative, or there is no such subswath.

    Notes
    -----
    Before the impulse response a branch of weight w and range phase phi adds to acquisition i::

        w exp(-j phi_i) (sqrt(q_i floor) c + sqrt(q_i (first - floor)) u_i + sqrt(1 - q_i first) n_i)

    with c constant in time, u an Ornstein-Uhlenbeck process (`insarflow.kernels.bridge`) and n_i new at each
    acquisition: white circular Gaussian numbers, each a hash of (seed, branch, acquisition, sample). The n_i of all
    branches and of the receiver are drawn as one. Any window and any set of numbers gives the same bits.
    """
    wanted = _whole(numbers)
    arrays = [np.ascontiguousarray(a, np.float32) for a in (row, col, weight, first, floor, phase, quality)]
    shape = _ground_shape(len(wanted), arrays, decay_days, window)
    if not repeat_days > 0:
        raise ValueError(f"repeat_days must be a positive number of days, instead got repeat_days={repeat_days}")
    rho = np.exp(-repeat_days / np.asarray(decay_days, np.float64)).astype(np.float32)
    nodes, slots = walk(wanted)
    keys = [[_key(seed, int(step), branch) for step in nodes[:, 0]] for branch in range(BRANCHES)]
    constant = [_key(seed, 0, BRANCHES + branch) for branch in range(BRANCHES)]
    fresh = [_key(seed, number, 2 * BRANCHES) for number in wanted]
    out = np.empty((len(wanted), *window.shape), np.complex64)
    _draw(
        *arrays[:3], *(a.ravel() for a in arrays[3:5]), *(a.reshape(len(wanted), rho.size) for a in arrays[5:]),
        rho.ravel(), shape, nodes, slots, np.array(keys, np.uint64).reshape(BRANCHES, -1), np.array(constant, np.uint64),
        np.array(fresh, np.uint64), window.y0 - MARGIN, window.x0 - MARGIN, taps(subswath), *workspace(),
        out.view(np.float32),
    )  # fmt: skip
    return out


def _whole(numbers: Sequence[int]) -> list[int]:
    values = np.asarray(numbers)
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise TypeError(f"numbers must be a sequence of whole numbers, instead got numbers={numbers!r}")
    wanted = [int(v) for v in values]
    if any(v < 0 for v in wanted):
        raise ValueError(f"numbers must be 0 or more, instead got numbers={wanted}: count from the first acquisition")
    return wanted


def _ground_shape(count: int, arrays: list[np.ndarray], decay_days: np.ndarray, window: Window) -> tuple[int, int]:
    ground = arrays[3].shape
    if len(ground) != 2 or 0 in ground:
        raise ValueError(f"first must be a ground raster (y, x) of at least one cell, instead got shape={ground}")
    seen, stack = (BRANCHES, window.height + 2 * MARGIN, window.width + 2 * MARGIN), (count, *ground)
    names = ("row", "col", "weight", "first", "floor", "phase", "quality", "decay_days")
    shapes = (seen, seen, seen, ground, ground, stack, stack, ground)
    for name, array, shape in zip(names, (*arrays, decay_days), shapes, strict=True):
        if array.shape != shape:
            raise ValueError(f"{name} must be of shape {shape}, instead got shape={array.shape}: see single_looks")
    return ground[0], ground[1]


def _key(seed: int, number: int, kind: int) -> np.uint64:
    return stream_key(int(stream_key(seed, _STREAM)), 8 * number + kind)


@jit
def _draw(  # type: ignore[no-untyped-def]
    row, col, weight, first, floor, phase, quality, rho, shape, nodes, slots, keys, constant, fresh, y0, x0, sides,
    words, floats, out,
):  # fmt: skip
    count, lines, cols = slots.size, weight.shape[1], weight.shape[2]
    white = np.empty((count, 2 * cols), np.float32)
    recent = np.empty((count, 2 * REACH + 1, out.shape[2]), np.float32)
    image, lost = np.empty((count, 2, RUN), np.float32), np.empty((count, RUN), np.float32)
    value = np.zeros((nodes.shape[0] + 1, 2, RUN), np.float32)
    ground = np.empty((13, RUN), np.float32), np.empty((4, RUN), np.int64)
    mixes = (
        np.empty((START + 1, RUN), np.float32),
        np.empty((START + 1, RUN), np.float32),
        np.empty(START + 1, np.bool_),
    )
    for r in range(lines):
        for left in range(0, cols, RUN):
            n = min(RUN, cols - left)
            place = np.int64(y0 + r) * np.int64(2**32) + np.int64(x0 + left)
            for i in range(count):
                for k in range(n):
                    image[i, 0, k] = image[i, 1, k] = _ZERO
                    lost[i, k] = _THERMAL
            for b in range(BRANCHES):
                start, stop = _seen(weight[b, r, left : left + n])
                if start < stop:
                    cut = slice(left + start, left + stop)
                    _add_branch(
                        row[b, r, cut], col[b, r, cut], weight[b, r, cut], first, floor, phase, quality, rho, shape,
                        nodes, slots, keys[b], constant[b], np.uint64(place + start), words, floats, value, ground,
                        mixes, image, lost, start,
                    )  # fmt: skip
            for i in range(count):
                _add_fresh(
                    fresh[i], np.uint64(place), words, floats, ground[0], image[i], lost[i, :n],
                    white[i, 2 * left : 2 * (left + n)],
                )  # fmt: skip
        for i in range(count):
            filtered_row(white[i], sides[1], recent[i, r % (2 * REACH + 1)])
            if r >= 2 * REACH:
                filtered_rows(recent[i], r, sides[0], out[i, r - 2 * REACH])


@part
def _seen(weight):  # type: ignore[no-untyped-def]
    start, stop = 0, weight.size
    while start < stop and not weight[start] > 0:
        start += 1
    while start < stop and not weight[stop - 1] > 0:
        stop -= 1
    return start, stop


@part
def _add_fresh(key, place, words, floats, scratch, image, lost, white):  # type: ignore[no-untyped-def]
    n = lost.size
    re, im = scratch[0, :n], scratch[1, :n]
    complex_normal(key, place, words, floats, re, im)
    for k in range(n):
        size = np.sqrt(lost[k])
        white[2 * k] = image[0, k] + size * re[k]
        white[2 * k + 1] = image[1, k] + size * im[k]


@jit
def _add_branch(  # type: ignore[no-untyped-def]
    row, col, weight, first, floor, phase, quality, rho, shape, nodes, slots, keys, constant, place, words, floats,
    value, ground, mixes, image, lost, start,
):  # fmt: skip
    n = weight.size
    stop = start + n
    numbers, cells = ground
    share, fresh, active = mixes
    y, x, steady, moving, most = numbers[0, :n], numbers[1, :n], numbers[2, :n], numbers[3, :n], numbers[4, :n]
    turn, good, re, im, cell = numbers[5, :n], numbers[6, :n], numbers[7, :n], numbers[8, :n], cells[0, :n]
    still_re, still_im = numbers[9, :n], numbers[10, :n]
    down, right, near = cells[1, :n], cells[2, :n], cells[3, :n]
    _locate(row, col, weight, shape, y, x, cell, down, right, near)
    _look_up(near, weight, first, floor, rho, steady, moving, most, turn)
    blends(turn, share, fresh, active)
    needed = np.zeros(nodes.shape[0] + 1, np.bool_)
    for i in range(slots.size):
        needed[slots[i]] = True
    draw_walk(nodes, keys, place, needed, share, fresh, active, words, floats, value, n)
    complex_normal(constant, place, words, floats, still_re, still_im)
    for i in range(slots.size):
        _seen_now(phase[i], quality[i], weight, y, x, cell, down, right, near, turn, good)
        _add_fading(lost[i, start:stop], weight, good, most)
        _mix(good, steady, moving, still_re, value[slots[i], 0, :n], re)
        _mix(good, steady, moving, still_im, value[slots[i], 1, :n], im)
        _turn(turn, good)
        _add_turned(turn, good, re, im, _ONE, image[i, 0, start:stop])
        _add_turned(turn, good, im, re, -_ONE, image[i, 1, start:stop])


@part
def _seen_now(phase, quality, weight, y, x, cell, down, right, near, turn, good):  # type: ignore[no-untyped-def]
    for k in range(weight.size):
        if weight[k] > 0:
            c, d, e = cell[k], cell[k] + down[k], right[k]
            upper = phase[c] + x[k] * (phase[c + e] - phase[c])
            lower = phase[d] + x[k] * (phase[d + e] - phase[d])
            turn[k], good[k] = upper + y[k] * (lower - upper), quality[near[k]]
        else:
            turn[k] = good[k] = _ZERO


@part
def _locate(row, col, weight, shape, y, x, cell, down, right, near):  # type: ignore[no-untyped-def]
    last_y, last_x = np.float32(shape[0] - 1), np.float32(shape[1] - 1)
    for k in range(weight.size):
        seen = weight[k] > 0
        u, v = min(max(row[k], _ZERO), last_y) if seen else _ZERO, min(max(col[k], _ZERO), last_x) if seen else _ZERO
        i, j = np.int64(u), np.int64(v)
        y[k], x[k] = u - np.float32(i), v - np.float32(j)
        cell[k] = i * shape[1] + j
        down[k] = shape[1] if i + 1 < shape[0] else 0
        right[k] = 1 if j + 1 < shape[1] else 0
        near[k] = np.int64(u + _HALF) * shape[1] + np.int64(v + _HALF)


@part
def _look_up(cells, weight, first, floor, rho, steady, moving, most, memory):  # type: ignore[no-untyped-def]
    for k in range(weight.size):
        cell, seen = cells[k], weight[k] > 0
        low = max(floor[cell], _ZERO) if seen else _ZERO
        most[k] = max(first[cell], low) if seen else _ZERO
        steady[k] = np.sqrt(low) * weight[k]
        moving[k] = np.sqrt(most[k] - low) * weight[k]
        memory[k] = rho[cell] if seen else _ZERO


@part
def _add_fading(lost, weight, good, most):  # type: ignore[no-untyped-def]
    for k in range(weight.size):
        lost[k] += weight[k] * weight[k] * max(_ONE - good[k] * most[k], _ZERO)


@part
def _mix(good, steady, moving, still, wander, signal):  # type: ignore[no-untyped-def]
    for k in range(good.size):
        signal[k] = np.sqrt(good[k]) * (steady[k] * still[k] + moving[k] * wander[k])


@part
def _turn(turn, other):  # type: ignore[no-untyped-def]
    """Exchange an angle for its cosine, and what `other` holds for its sine."""
    for k in range(turn.size):
        # Half turns become the sign, the rest lies between -pi/2 and pi/2.
        halves = turn[k] / _HALF_TURN
        whole = np.floor(halves + _HALF)
        sign = _ONE - _TWO * (whole - _TWO * np.floor(whole * _HALF))
        rest = (halves - whole) * _HALF_TURN
        turn[k], other[k] = sign * cosine(rest), sign * sine(rest)


@part
def _add_turned(c, s, straight, across, sign, image):  # type: ignore[no-untyped-def]
    for k in range(c.size):
        image[k] += c[k] * straight[k] + sign * s[k] * across[k]
