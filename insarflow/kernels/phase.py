"""From phase to directions and back, without branches or calls so that loops become vector instructions.

In double precision for a phase of any size that is removed, in single for one that becomes complex64, thrice as fast.
"""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit

HALF_PI = (1.5707963267341256, 6.077100506303966e-11)
"""Half of pi in two parts, the first with so few bits that its multiples are exact."""


@jit
def direction(angle):  # type: ignore[no-untyped-def]
    """Cosine and sine to 2e-9, from arithmetic alone so that loops become vector instructions; |angle| < 1e7 rad."""
    quarter = np.floor(angle * (1 / (HALF_PI[0] + HALF_PI[1])) + 0.5)
    x = (angle - quarter * HALF_PI[0]) - quarter * HALF_PI[1]
    s = x * x
    sine = x * (1 + s * (-1 / 6 + s * (1 / 120 + s * (-1 / 5040 + s * (1 / 362880)))))
    cosine = 1 + s * (-1 / 2 + s * (1 / 24 + s * (-1 / 720 + s * (1 / 40320 - s * (1 / 3628800)))))
    turn = quarter - 4 * np.floor(quarter * 0.25)
    swapped = turn == 1.0 or turn == 3.0
    along, across = (sine if swapped else cosine), (cosine if swapped else sine)
    return (-along if turn == 1.0 or turn == 2.0 else along), (-across if turn >= 2.0 else across)


@jit
def angle_of(y, x):  # type: ignore[no-untyped-def]
    """Angle of a direction, -pi to pi, to 1e-11 rad, from arithmetic alone; 0 where both are 0."""
    long, short = (abs(y), abs(x)) if abs(y) > abs(x) else (abs(x), abs(y))
    # Beyond a sixteenth of a turn the angle from the diagonal is taken: its tangent is small again.
    beyond = short > 0.4142135623730951 * long
    t = (short - long if beyond else short) / (short + long if beyond else (long if long != 0.0 else 1.0))
    s = t * t
    odd = -0.14281588778598697 + s * (0.1104048928328958 + s * (-0.08456193135804713 + s * 0.04707348553570199))
    odd = 0.9999999999783997 + s * (-0.3333333209761469 + s * (0.19999883856848247 + s * odd))
    angle = t * odd + (0.7853981633974483 if beyond else 0.0)
    angle = 1.5707963267948966 - angle if abs(y) > abs(x) else angle
    angle = 3.141592653589793 - angle if x < 0.0 else angle
    return -angle if y < 0.0 else angle


def phasor(phase: np.ndarray) -> np.ndarray:
    """``exp(i phase)``, right within 2e-7; NaN where the phase is.

    Parameters
    ----------
    phase
        float32, rad, any shape; magnitudes below 8000.

    Returns
    -------
    ndarray
        complex64, same shape.
    """
    out = np.empty(phase.shape, np.complex64)
    _phasor(np.ascontiguousarray(phase, np.float32).reshape(-1), out.view(np.float32).reshape(-1))
    return out


def azimuth(directions: np.ndarray) -> np.ndarray:
    """Angles of complex64 numbers, of any magnitude but 0: float32, rad, 0 to below 2 pi; NaN where they are."""
    angles: np.ndarray = np.angle(directions).astype(np.float32)
    angles += np.where(angles < 0, np.float32(2 * np.pi), np.float32(0))
    # A turn in float32 is a little more than one.
    angles[angles >= np.float32(2 * np.pi)] = 0.0
    return angles


_Q1, _Q2, _Q3 = (np.float32(2 * c) for c in (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8))
_S1, _S2, _S3 = (np.float32(c) for c in (-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4))
_C1, _C2, _C3 = (np.float32(c) for c in (4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5))
_PER_QUARTER = np.float32(2 / np.pi)
_ONE, _HALF, _QUARTER = np.float32(1.0), np.float32(0.5), np.float32(0.25)


@jit
def _phasor(phase, out):  # type: ignore[no-untyped-def]
    """Cosine and sine by Cephes' polynomials for float32, without branches so that they become vector instructions.

    A quarter turn is three numbers, the first with so few bits that its multiples are exact.
    """
    for k in range(phase.size):
        angle = phase[k]
        quarter = np.floor(angle * _PER_QUARTER + _HALF)
        x = ((angle - quarter * _Q1) - quarter * _Q2) - quarter * _Q3
        s = x * x
        sine = x + x * s * (_S1 + s * (_S2 + s * _S3))
        cosine = _ONE - _HALF * s + s * s * (_C1 + s * (_C2 + s * _C3))
        turn = quarter - np.float32(4.0) * np.floor(quarter * _QUARTER)
        swapped = turn == np.float32(1.0) or turn == np.float32(3.0)
        along, across = (sine if swapped else cosine), (cosine if swapped else sine)
        out[2 * k] = -along if turn == np.float32(1.0) or turn == np.float32(2.0) else along
        out[2 * k + 1] = -across if turn >= np.float32(2.0) else across


def conjugate_product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """``one * conj(other)`` of complex64 images of one shape ``(y, x)``.

    NumPy fuses multiplication and addition in some lanes and not in others, so its bits depend on where a pixel lies.
    """
    out = np.empty(one.shape, np.complex64)
    a, b = (np.ascontiguousarray(image).view(np.float32).reshape(-1) for image in (one, other))
    _conjugate_product(a, b, out.view(np.float32).reshape(-1))
    return out


@jit
def _conjugate_product(one, other, out):  # type: ignore[no-untyped-def]
    for k in range(0, out.size, 2):
        a, b, c, d = one[k], one[k + 1], other[k], other[k + 1]
        out[k] = a * c + b * d
        out[k + 1] = b * c - a * d
