"""What one place on the ground adds to the samples of radar images."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit, part
from insarflow.kernels.bridge import blends, complex_normal, draw_walk
from insarflow.kernels.elementary import cosine, sine

NUMBER_ROWS, CELL_ROWS = 11, 4
"""Numbers and cells kept for each sample of a run."""

_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_HALF_TURN = np.float32(np.pi)


@jit
def add_branch(  # type: ignore[no-untyped-def]
    row, col, weight, first, floor, phase, quality, rho, shape, nodes, slots, keys, constant, place, words, floats,
    value, needed, ground, mixes, image, lost, start,
):  # fmt: skip
    """Add to a run of samples what they see of the ground by one branch.

    Parameters
    ----------
    row, col, weight
        float32, of n samples: places in index coordinates of the ground rasters, and amplitude.
    first, floor, rho
        float32, of the ground's cells: coherence at first and at last, correlation of one acquisition with the next.
    phase, quality
        float32, shape ``(acquisition, cell)``.
    shape
        Rows and columns of the ground rasters.
    nodes, slots, keys
        The walk, as `insarflow.kernels.bridge.walk` gives it, and the keys of its random numbers.
    constant
        uint64, key of what is constant in time.
    place
        uint64, number of the first sample.
    words, floats, value, needed, ground, mixes
        Room: `workspace`; the walk's values, and which of them are needed; float32 ``(NUMBER_ROWS, RUN)`` and int64
        ``(CELL_ROWS, RUN)``; shares of the walk's blends.
    image, lost
        float32, shapes ``(acquisition, 2, RUN)`` and ``(acquisition, RUN)``: the result, from column `start` on: real
        and imaginary parts are added to one, the power of what is new at each acquisition to the other.
    """
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
    for k in range(needed.size):
        needed[k] = False
    for i in range(slots.size):
        needed[slots[i]] = True
    draw_walk(nodes, keys, place, needed, share, fresh, active, words, floats, value, n)
    complex_normal(constant, place, words, floats, still_re, still_im)
    for i in range(slots.size):
        _seen_now(phase[i], quality[i], weight, y, x, cell, down, right, near, turn, good)
        _add_fading(lost[i, start:stop], weight, good, most)
        _mix(good, steady, moving, still_re, still_im, value[slots[i], :, :n], re, im)
        _turn(turn, good)
        _add_turned(turn, good, re, im, image[i, 0, start:stop], image[i, 1, start:stop])


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
        # So that NaN is the first cell, not memory elsewhere.
        u, v = row[k] if seen and row[k] > 0 else _ZERO, col[k] if seen and col[k] > 0 else _ZERO
        u, v = u if u < last_y else last_y, v if v < last_x else last_x
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
def _mix(good, steady, moving, still_re, still_im, wander, re, im):  # type: ignore[no-untyped-def]
    for k in range(good.size):
        root = np.sqrt(good[k])
        re[k] = root * (steady[k] * still_re[k] + moving[k] * wander[0, k])
        im[k] = root * (steady[k] * still_im[k] + moving[k] * wander[1, k])


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
def _add_turned(c, s, re, im, image_re, image_im):  # type: ignore[no-untyped-def]
    for k in range(c.size):
        image_re[k] += c[k] * re[k] + s[k] * im[k]
        image_im[k] += c[k] * im[k] - s[k] * re[k]
