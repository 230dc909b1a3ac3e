"""Single-look complex images in radar geometry, each a function of (seed, acquisition, sample)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from insarflow.kernels._jit import jit, part
from insarflow.kernels.branch import CELL_ROWS, NUMBER_ROWS, add_branch
from insarflow.kernels.bridge import START, complex_normal, walk
from insarflow.kernels.elementary import RUN, workspace
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
_ZERO, _THERMAL = np.float32(0.0), np.float32(THERMAL_POWER)


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
        The acquisitions drawn, n of them; number i is taken at time ``i * repeat_days``. From 0 on, in any order;
        every 128 of them before the first cost one draw more.
    row, col, weight
        float32, shape ``(BRANCHES, window.height + 2 * MARGIN, window.width + 2 * MARGIN)``: what each sample of the
        window and a margin around it sees: places in index coordinates of the ground rasters (a whole number is a
        cell's centre; beyond the outermost centres, the outermost), and amplitude, 1 for flat ground. Where `weight`
        is 0 a branch sees nothing and its place has no meaning.
    first, floor, decay_days
        float32, shape ``(y, x)``, ground rasters: coherence between acquisitions t days apart is
        ``floor + (first - floor) exp(-t / decay_days)``, ``0 <= floor <= first <= 1``, decay above 0, without NaN.
        The nearest cell counts.
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
    # Writable, since the loops would be compiled again for arrays that are not.
    arrays = [np.require(a, np.float32, ["C", "W"]) for a in (row, col, weight, first, floor, phase, quality)]
    shape = _ground_shape(len(wanted), arrays, decay_days, window)
    if not repeat_days > 0:
        raise ValueError(f"repeat_days must be a positive number of days, instead got repeat_days={repeat_days}")
    rho = np.exp(-repeat_days / np.asarray(decay_days, np.float64)).astype(np.float32)
    nodes, slots = walk(wanted)
    keys = [[_key(seed, int(step), branch) for step in nodes[:, 0]] for branch in range(BRANCHES)]
    constant = [_key(seed, 0, BRANCHES + branch) for branch in range(BRANCHES)]
    fresh = [_key(seed, number, 2 * BRANCHES) for number in wanted]
    row, col, weight, first, floor, phase, quality = arrays
    out = np.empty((len(wanted), *window.shape), np.complex64)
    _draw(
        row, col, weight, first.ravel(), floor.ravel(), phase.reshape(len(wanted), rho.size),
        quality.reshape(len(wanted), rho.size), rho.ravel(), shape, nodes, slots,
        np.array(keys, np.uint64).reshape(BRANCHES, -1), np.array(constant, np.uint64), np.array(fresh, np.uint64),
        window.y0 - MARGIN, window.x0 - MARGIN, taps(subswath), workspace(),
        _room(len(wanted), weight.shape[2], window.width, len(nodes)), out.view(np.float32),
    )  # fmt: skip
    return out


def _room(count: int, cols: int, width: int, nodes: int) -> tuple[np.ndarray | tuple[np.ndarray, ...], ...]:
    """Memory that the loops work in; made here, since a loop that makes it takes a second longer to compile."""
    white, recent = np.empty((count, 2 * cols), np.float32), np.empty((count, 2 * REACH + 1, 2 * width), np.float32)
    image, lost = np.empty((count, 2, RUN), np.float32), np.empty((count, RUN), np.float32)
    value, needed = np.zeros((nodes + 1, 2, RUN), np.float32), np.empty(nodes + 1, np.bool_)
    ground = np.empty((NUMBER_ROWS, RUN), np.float32), np.empty((CELL_ROWS, RUN), np.int64)
    share, renewed = np.empty((2, START + 1, RUN), np.float32)
    return white, recent, image, lost, value, needed, ground, (share, renewed, np.empty(START + 1, np.bool_))


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
    random, room, out,
):  # fmt: skip
    count, lines, cols = slots.size, weight.shape[1], weight.shape[2]
    words, floats = random
    white, recent, image, lost, value, needed, ground, mixes = room
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
                    add_branch(
                        row[b, r, cut], col[b, r, cut], weight[b, r, cut], first, floor, phase, quality, rho, shape,
                        nodes, slots, keys[b], constant[b], np.uint64(place + start), words, floats, value, needed,
                        ground, mixes, image, lost, start,
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
