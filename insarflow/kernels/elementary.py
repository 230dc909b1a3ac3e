"""Elementary functions in float32 that a compiled loop runs eight pixels at a time.

A call of the C library's logarithm, sine or cosine for each pixel would keep a loop from being vectorised. These are
polynomials: additions and products alone, so a pixel has the same bits in any lane and any chunking.
"""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import part
from insarflow.kernels.noise import mix

RUN = 512
"""Pixels whose random numbers are drawn at once."""

_LN2, _ROOT2 = np.float32(np.log(2)), np.float32(np.sqrt(2))
_TO_ANGLE = np.float32(np.pi / 2**32)
_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_S1, _S2, _S3, _S4, _S5 = (np.float32(c) for c in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800))
_C1, _C2, _C3, _C4, _C5 = (np.float32(c) for c in (-1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800))
# Cephes, logf: log(1 + x) = x - x^2 / 2 + x^3 P(x) for 1 + x between the roots of a half and of two.
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8 = (
    np.float32(c)
    for c in (
        3.3333331174e-1, -2.4999993993e-1, 2.0000714765e-1, -1.6668057665e-1, 1.4249322787e-1, -1.2420140846e-1,
        1.1676998740e-1, -1.1514610310e-1, 7.0376836292e-2,
    )
)  # fmt: skip


@part
def sine(angle):  # type: ignore[no-untyped-def]
    """Sine of an angle between -pi/2 and pi/2, right within 2e-7."""
    s = angle * angle
    return angle + angle * s * (_S1 + s * (_S2 + s * (_S3 + s * (_S4 + s * _S5))))


@part
def cosine(angle):  # type: ignore[no-untyped-def]
    """Cosine of an angle between -pi/2 and pi/2, right within 6e-7."""
    s = angle * angle
    return _ONE + s * (_C1 + s * (_C2 + s * (_C3 + s * (_C4 + s * _C5))))


def workspace() -> tuple[np.ndarray, np.ndarray]:
    """Room for `gaussians`: int32 and float32 views of the same memory, so that a number's bits can be read."""
    words = np.zeros((4, RUN), np.int32)
    return words, words.view(np.float32)


@part
def gaussians(key, first, step, scale, words, floats, one, other):  # type: ignore[no-untyped-def]
    """Two independent Gaussian numbers for each of a run of counters, by Box and Muller's formula.

    Parameters
    ----------
    key
        uint64, of the field of random numbers.
    first, step
        uint64: the counters are ``first + k * step``.
    scale
        float32, their standard deviation.
    words, floats
        As `workspace` gives them.
    one, other
        float32, as many as are wanted, at most `RUN`: the result. Beyond 6.6 standard deviations there is nothing.
    """
    n = one.size
    for k in range(n):
        bits = mix(key, first + np.uint64(k) * step)
        words[0, k] = np.int32(bits >> np.uint64(32))
        words[1, k] = np.int32(bits)
    for k in range(n):
        floats[2, k] = np.float32((words[0, k] >> 1) & np.int32(0x7FFFFFFF)) + _HALF
    for k in range(n):
        words[3, k] = (words[2, k] & np.int32(0x7FFFFF)) | np.int32(0x3F800000)
    double = -_TWO * scale * scale
    for k in range(n):
        m, exponent = floats[3, k], np.float32((words[2, k] >> 23) - np.int32(127 + 31))
        large = m > _ROOT2
        x = (m * _HALF if large else m) - _ONE
        exponent = exponent + _ONE if large else exponent
        s = x * x
        p = _L4 + x * (_L5 + x * (_L6 + x * (_L7 + x * _L8)))
        p = _L0 + x * (_L1 + x * (_L2 + x * (_L3 + x * p)))
        power = double * (exponent * _LN2 + (x + s * (x * p - _HALF)))
        radius = np.sqrt(power if power > 0 else _ZERO)
        # Half a turn by the angle, the other half by the sign.
        radius = radius if (words[0, k] & 1) == 0 else -radius
        angle = np.float32(words[1, k]) * _TO_ANGLE
        one[k] = radius * cosine(angle)
        other[k] = radius * sine(angle)
