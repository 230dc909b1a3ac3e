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
_HALF_TURN = np.float32(np.pi)


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
    _check(wanted, arrays, window)
    if not repeat_days > 0:
        raise ValueError(f"repeat_days must be a positive number of days, instead got repeat_days={repeat_days}")
    rho = np.exp(-repeat_days / np.asarray(decay_days, np.float64)).astype(np.float32)
    if rho.shape != arrays[3].shape:
        raise ValueError(f"decay_days must have the shape of first, {arrays[3].shape}, instead got shape={rho.shape}")
    nodes, slots = walk(wanted)
    keys = [[_key(seed, int(step), branch) for step in nodes[:, 0]] for branch in range(BRANCHES)]
    constant = [_key(seed, 0, BRANCHES + branch) for branch in range(BRANCHES)]
    fresh = [_key(seed, number, 2 * BRANCHES) for number in wanted]
    out = np.empty((len(wanted), *window.shape), np.complex64)
    _draw(
        *arrays, rho, nodes, slots, np.array(keys, np.uint64).reshape(BRANCHES, -1), np.array(constant, np.uint64),
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


def _check(numbers: list[int], arrays: list[np.ndarray], window: Window) -> None:
    ground = arrays[3].shape
    seen = (BRANCHES, window.height + 2 * MARGIN, window.width + 2 * MARGIN)
    if len(ground) != 2 or 0 in ground:
        raise ValueError(f"first must be a ground raster (y, x) of at least one cell, instead got shape={ground}")
    stack = (len(numbers), *ground)
    names = ("row", "col", "weight", "first", "floor", "phase", "quality")
    shapes = (seen, seen, seen, ground, ground, stack, stack)
    for name, array, shape in zip(names, arrays, shapes, strict=True):
        if array.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, instead got shape={array.shape}: see single_looks")


def _key(seed: int, number: int, kind: int) -> np.uint64:
    return stream_key(int(stream_key(seed, _STREAM)), 8 * number + kind)


@jit
def _draw(  # type: ignore[no-untyped-def]
    row, col, weight, first, floor, phase, quality, rho, nodes, slots, keys, constant, fresh, y0, x0, sides,
    words, floats, out,
):  # fmt: skip
    count, lines, cols = slots.size, weight.shape[1], weight.shape[2]
    white = np.empty((count, 2 * cols), np.float32)
    recent = np.empty((count, 2 * REACH + 1, out.shape[2]), np.float32)
    image, lost = np.empty((count, 2, RUN), np.float32), np.empty((count, RUN), np.float32)
    value = np.zeros((nodes.shape[0] + 1, 2, RUN), np.float32)
    ground = np.empty((13, RUN), np.float32), np.empty((4, RUN), np.int64)
    mixes = np.empty((START + 1, RUN), np.float32), np.empty((START + 1, RUN), np.float32), np.empty(START + 1, np.bool_)
    for r in range(lines):
        for left in range(0, cols, RUN):
            n = min(RUN, cols - left)
            place = np.int64(y0 + r) * np.int64(2**32) + np.int64(x0 + left)
            image[:, :, :n] = _ZERO
            lost[:, :n] = np.float32(THERMAL_POWER)
            for b in range(BRANCHES):
                start, stop = _seen(weight[b, r, left : left + n])
                if start < stop:
                    cut = slice(left + start, left + stop)
                    _add_branch(
                        row[b, r, cut], col[b, r, cut], weight[b, r, cut], first, floor, phase, quality, rho, nodes,
                        slots, keys[b], constant[b], np.uint64(place + start), words, floats, value, ground, mixes,
                        image[:, :, start:stop], lost[:, start:stop],
                    )  # fmt: skip
            for i in range(count):
                _add_fresh(
                    fresh[i], np.uint64(place), words, floats, ground[0], image[i, :, :n], lost[i, :n],
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
    row, col, weight, first, floor, phase, quality, rho, nodes, slots, keys, constant, place, words, floats, value,
    ground, mixes, image, lost,
):  # fmt: skip
    n = weight.size
    numbers, cells = ground[0][:, :n], ground[1][:, :n]
    share, fresh, active = mixes
    steady, moving, most, scratch = numbers[2], numbers[3], numbers[4], numbers[5]
    _locate(row, col, weight, first.shape, numbers, cells)
    _look_up(cells[3], weight, first.ravel(), floor.ravel(), rho.ravel(), steady, moving, most, scratch)
    blends(scratch, share, fresh, active)
    needed = np.zeros(nodes.shape[0] + 1, np.bool_)
    for i in range(slots.size):
        needed[slots[i]] = True
    draw_walk(nodes, keys, place, needed, share, fresh, active, words, floats, value[:, :, :n])
    still = numbers[6:8]
    complex_normal(constant, place, words, floats, still[0], still[1])
    for i in range(slots.size):
        phases, qualities = phase[i].ravel(), quality[i].ravel()
        turn, good, signal = numbers[5], numbers[8], numbers[9:11]
        for k in range(n):
            seen = weight[k] > 0
            turn[k] = _bilinear(phases, cells[0, k], cells[1, k], cells[2, k], numbers[0, k], numbers[1, k]) if seen else _ZERO
            good[k] = qualities[cells[3, k]] if seen else _ZERO
        _add_fading(lost[i], weight, good, most)
        for axis in range(2):
            _mix(good, steady, moving, still[axis], value[slots[i], axis], signal[axis])
        _add_turned(turn, signal, numbers[11:13], image[i])


@part
def _locate(row, col, weight, shape, numbers, cells):  # type: ignore[no-untyped-def]
    last_y, last_x = np.float32(shape[0] - 1), np.float32(shape[1] - 1)
    for k in range(weight.size):
        y = min(max(row[k], _ZERO), last_y) if weight[k] > 0 else _ZERO
        x = min(max(col[k], _ZERO), last_x) if weight[k] > 0 else _ZERO
        i, j = np.int64(y), np.int64(x)
        numbers[0, k], numbers[1, k] = y - np.float32(i), x - np.float32(j)
        cells[0, k] = i * shape[1] + j
        cells[1, k] = shape[1] if i + 1 < shape[0] else 0
        cells[2, k] = 1 if j + 1 < shape[1] else 0
        cells[3, k] = np.int64(y + _HALF) * shape[1] + np.int64(x + _HALF)


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
def _bilinear(values, cell, down, right, y, x):  # type: ignore[no-untyped-def]
    upper = values[cell] + x * (values[cell + right] - values[cell])
    lower = values[cell + down] + x * (values[cell + down + right] - values[cell + down])
    return upper + y * (lower - upper)


@part
def _add_fading(lost, weight, good, most):  # type: ignore[no-untyped-def]
    for k in range(weight.size):
        lost[k] += weight[k] * weight[k] * max(_ONE - good[k] * most[k], _ZERO)


@part
def _mix(good, steady, moving, still, wander, signal):  # type: ignore[no-untyped-def]
    for k in range(good.size):
        signal[k] = np.sqrt(good[k]) * (steady[k] * still[k] + moving[k] * wander[k])


@part
def _add_turned(turn, signal, scratch, image):  # type: ignore[no-untyped-def]
    c, s = scratch[0], scratch[1]
    for k in range(turn.size):
        # Half turns become the sign, the rest lies between -pi/2 and pi/2.
        halves = turn[k] / _HALF_TURN
        whole = np.floor(halves + _HALF)
        sign = _ONE - _TWO * (whole - _TWO * np.floor(whole * _HALF))
        rest = (halves - whole) * _HALF_TURN
        c[k], s[k] = sign * cosine(rest), sign * sine(rest)
    for k in range(turn.size):
        image[0, k] += c[k] * signal[0, k] + s[k] * signal[1, k]
    for k in range(turn.size):
        image[1, k] += c[k] * signal[1, k] - s[k] * signal[0, k]
