"""Medians of images of any size: counts of values by parts of an image, added up.

Counts are whole numbers, so that neither the parts nor their order change a bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.codes import PHASE_MISSING, phase_codes

ANGLES: Final = 16384
"""Intervals of the circle in which phases are counted."""

DIGIT: Final = 11
"""Bits of a float32 that are looked at at once."""

DIGITS: Final = 3
"""Passes after which all 32 bits are known."""


def count_angles(igram: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Number of pixels in each of `ANGLES` intervals of phase from -pi; int64.

    Parameters
    ----------
    igram
        complex64, shape ``(y, x)``; NaN and 0 have no phase.
    mask
        bool, same shape: pixels that count; None for all.
    """
    counts = np.zeros(ANGLES, np.int64)
    _count_angles(np.ascontiguousarray(igram).view(np.float32), _all_of(mask), counts)
    return counts


def circular_median(counts: np.ndarray) -> float:
    """The angle to which the sum of distances along the circle is least, rad; NaN without a pixel.

    Off by 4e-4 rad, the width of an interval, at most; much less where phases are spread evenly inside. At it as many
    pixels lie in the half circle before as in the one behind.
    """
    if not counts.any():
        return float("nan")
    step, half = 2 * np.pi / ANGLES, ANGLES // 2
    steps = np.arange(ANGLES)
    distance = np.minimum(steps, ANGLES - steps)
    cost = np.fft.irfft(np.fft.rfft(counts) * np.fft.rfft(distance), ANGLES)
    best = int(np.argmin(cost))
    # Pixels ahead minus pixels behind, at the edges of the intervals around: linear between them.
    below = np.concatenate(([0], np.cumsum(counts)))

    def lead(edge: int) -> int:
        turns, place = divmod(np.array([edge - half, edge, edge + half]), ANGLES)
        behind, here, ahead = below[place] + turns * below[-1]
        return int(ahead - 2 * here + behind)

    for edge in (best, best - 1, best + 1):
        first, last = lead(edge), lead(edge + 1)
        if first >= 0 >= last:
            return _wrapped((edge + (first / (first - last) if first > last else 0.5)) * step - np.pi)
    return _wrapped((best + 0.5) * step - np.pi)


def count_digits(values: np.ndarray, mask: np.ndarray | None, known: np.ndarray, digit: int) -> np.ndarray:
    """Number of values by their next bits, of those whose bits before are known.

    Parameters
    ----------
    values
        float32, shape ``(y, x)``; NaN does not count.
    mask
        As for `count_angles`.
    known
        int64, ``(low, rank, high, rank)`` as `next_digit` gives it: the first bits of the two middle values.
    digit
        Which bits: 0 are the first `DIGIT`.

    Returns
    -------
    ndarray
        int64: ``2**DIGIT`` numbers for the lower middle value, then as many for the higher.
    """
    counts = np.zeros((2, 1 << DIGIT), np.int64)
    keys = np.ascontiguousarray(values).view(np.uint32)
    _count_digits(np.ascontiguousarray(values), keys, _all_of(mask), known, digit, counts)
    return counts.reshape(-1)


def next_digit(counts: np.ndarray, known: np.ndarray, digit: int) -> np.ndarray:
    """What is known of the two middle values after one more digit: ``(low, rank, high, rank)``.

    A rank counts the values with the same first bits that are smaller. Ranks are -1 without a value.
    """
    low, high = counts.reshape(2, -1)
    found = known.copy()
    if digit == 0:
        total = int(low.sum())
        found[:] = (0, (total - 1) // 2, 0, total // 2) if total else (0, -1, 0, -1)
    for k, numbers in ((0, low), (2, high)):
        if found[k + 1] < 0:
            continue
        below = np.cumsum(numbers)
        place = int(np.searchsorted(below, found[k + 1], side="right"))
        found[k + 1] -= below[place - 1] if place else 0
        found[k] = (found[k] << _bits(digit)) | place
    return found


def median_of(known: np.ndarray) -> float:
    """Median after all digits: the mean of the two middle values, as NumPy's; NaN without a value."""
    if known[1] < 0:
        return float("nan")
    keys = np.array([known[0], known[2]], np.int64).astype(np.uint32)
    bits = np.where(keys >> 31, keys & np.uint32(0x7FFFFFFF), ~keys)
    return float(bits.astype(np.uint32).view(np.float32).mean())


def _bits(digit: int) -> int:
    return min(DIGIT, 32 - digit * DIGIT)


def _wrapped(angle: float) -> float:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _all_of(mask: np.ndarray | None) -> np.ndarray:
    return np.zeros((0, 0), np.bool_) if mask is None else np.ascontiguousarray(mask)


@jit
def _count_angles(z, mask, counts):  # type: ignore[no-untyped-def]
    codes = np.empty(z.shape[1] // 2, np.int16)
    for r in range(z.shape[0]):
        line = z[r]
        phase_codes(line, codes)
        for c in range(codes.size):
            there = codes[c] != PHASE_MISSING and (line[2 * c] != 0 or line[2 * c + 1] != 0)
            if there and (mask.size == 0 or mask[r, c]):
                # Four of the 65535 codes an interval.
                counts[(np.int64(codes[c]) + 32767) >> 2] += 1


@jit
def _count_digits(values, keys, mask, known, digit, counts):  # type: ignore[no-untyped-def]
    bits = min(DIGIT, 32 - digit * DIGIT)
    after = np.uint32(32 - digit * DIGIT - bits)
    last = np.uint32((1 << bits) - 1)
    for r in range(values.shape[0]):
        for c in range(values.shape[1]):
            if values[r, c] == values[r, c] and (mask.size == 0 or mask[r, c]):
                key = keys[r, c]
                # In the order of the numbers: all bits of negative ones are turned, of others the sign's.
                key = ~key if key >> np.uint32(31) else key | np.uint32(0x80000000)
                shifted = key >> after
                first, its = np.int64(shifted >> np.uint32(bits)), shifted & last
                if first == known[0] or digit == 0:
                    counts[0, its] += 1
                if first == known[2] or digit == 0:
                    counts[1, its] += 1
