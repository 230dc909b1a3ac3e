"""Phase and coherence as whole numbers: what a store keeps of a product that has no more than these.

A code is a multiple of a step, and one code is kept for what is missing. Decoding looks numbers up, so that no cosine
is computed when a store is read.
"""

from __future__ import annotations

import math

import numpy as np

from insarflow.kernels._jit import jit

PHASE_STEP = math.pi / 32767
"""Step of int16 phase, rad; codes go from -32767 to 32767."""

PHASE_MISSING = -32768
"""Code of a pixel without phase."""

UNIT = 1e-3
"""Most that a magnitude may differ from one in an interferogram of phase alone."""


def encode_phase(igram: np.ndarray) -> np.ndarray:
    """Phase as int16 multiples of `PHASE_STEP`; off by half a step, 4.8e-5 rad, at most.

    Parameters
    ----------
    igram
        complex64, any shape; NaN is missing.

    Raises
    ------
    ValueError
        If a magnitude is not 1 within `UNIT`, which would be lost.
    """
    flat = np.ascontiguousarray(igram).reshape(-1)
    codes = np.empty(flat.size, np.int16)
    if phase_codes(flat.view(np.float32), codes):
        magnitude = np.abs(flat)
        first = magnitude[np.abs(magnitude - 1) > UNIT / 2][0]
        raise ValueError(f"igram must have magnitude 1 to be kept as phase, instead got {first:g}")
    return codes.reshape(igram.shape)


def decode_phase(codes: np.ndarray) -> np.ndarray:
    """``exp(i phase)`` of int16 codes, complex64; NaN where missing."""
    out = np.empty(codes.shape, np.complex64)
    _look_up(np.ascontiguousarray(codes).reshape(-1), phasors(), out.reshape(-1))
    return out


def encode_fraction(values: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers from 0 to 1 as uint8 or uint16 multiples of `fraction_step`; the largest code is what is missing.

    Parameters
    ----------
    values
        float32, any shape; NaN is missing.
    dtype
        Of the codes.

    Raises
    ------
    ValueError
        If a number is not within 0 and 1.
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    codes = np.empty(flat.size, dtype)
    missing = np.iinfo(dtype).max
    if _encode_fraction(flat, np.float32(missing - 1), np.int32(missing), codes):
        wrong = flat[(flat < 0) | (flat > 1)][0]
        raise ValueError(f"values must be within 0 and 1, instead got {wrong:g}")
    return codes.reshape(values.shape)


def decode_fraction(codes: np.ndarray) -> np.ndarray:
    """Numbers of `encode_fraction`, float32; NaN where missing."""
    table = (np.arange(np.iinfo(codes.dtype).max + 1) * fraction_step(codes.dtype)).astype(np.float32)
    table[-1] = np.nan
    out = np.empty(codes.shape, np.float32)
    _look_up(np.ascontiguousarray(codes).reshape(-1), table, out.reshape(-1))
    return out


def fraction_step(dtype: np.dtype | str) -> float:
    """Step of the codes of numbers from 0 to 1."""
    return 1.0 / (int(np.iinfo(dtype).max) - 1)


ATAN = (
    0.9999999842426361, -0.3333306678069206, 0.1999248357850854, -0.14202570511736232, 0.1063675409820616,
    -0.07495445443411952, 0.04258760746563534, -0.01600503050332723, 0.002834064298875728,
)  # fmt: skip
"""Arc tangent of 0 to 1 by odd powers, to 1.2e-8: a Chebyshev fit."""

_tables: dict[str, np.ndarray] = {}


def phasors() -> np.ndarray:
    """Phasor of every code as an unsigned number; built once a process."""
    if "phase" not in _tables:
        codes = np.arange(65536, dtype=np.uint16).view(np.int16)
        table = np.exp(1j * PHASE_STEP * codes.astype(np.float64)).astype(np.complex64)
        table[codes == PHASE_MISSING] = complex(np.nan, np.nan)
        _tables["phase"] = table
    return _tables["phase"]


@jit
def phase_codes(parts, codes):  # type: ignore[no-untyped-def]
    """Codes of pairs of real and imaginary part; how many have another magnitude than one.

    Without branches, so that the loop becomes vector instructions: thirty times as fast as the C library's function.
    They are as many at once as the widest number allows, so the count has 32 bits.
    """
    low, high, scale = np.float32((1 - UNIT) ** 2), np.float32((1 + UNIT) ** 2), np.float32(1 / PHASE_STEP)
    zero, half, whole = np.float32(0.0), np.float32(math.pi / 2), np.float32(math.pi)
    wrong = np.int32(0)
    for k in range(codes.size):
        re, im = parts[2 * k], parts[2 * k + 1]
        nothing = re * zero + im * zero
        missing = nothing != zero
        a, b = abs(re), abs(im)
        t = (b if b < a else a) / (a if a > b else b)
        s = t * t
        angle = s * np.float32(ATAN[8]) + np.float32(ATAN[7])
        angle = angle * s + np.float32(ATAN[6])
        angle = angle * s + np.float32(ATAN[5])
        angle = angle * s + np.float32(ATAN[4])
        angle = angle * s + np.float32(ATAN[3])
        angle = angle * s + np.float32(ATAN[2])
        angle = angle * s + np.float32(ATAN[1])
        angle = (angle * s + np.float32(ATAN[0])) * t
        angle = half - angle if b > a else angle
        angle = whole - angle if re < zero else angle
        angle = -angle if im < zero else angle
        power = re * re + im * im
        wrong = np.int32(wrong + np.int32((power < low) | (power > high)))
        code = np.int32(np.rint(zero if missing else angle * scale))
        codes[k] = np.int16(PHASE_MISSING) if missing else np.int16(code)
    return wrong


@jit
def _encode_fraction(values, scale, missing, codes):  # type: ignore[no-untyped-def]
    """Codes of numbers; how many are not within 0 and 1."""
    wrong, zero, one = np.int32(0), np.float32(0.0), np.float32(1.0)
    for k in range(codes.size):
        value = values[k]
        nothing = value != value
        wrong = np.int32(wrong + np.int32((value < zero) | (value > one)))
        code = np.int32(np.rint(zero if nothing else value * scale))
        codes[k] = missing if nothing else code
    return wrong


@jit
def _look_up(codes, table, out):  # type: ignore[no-untyped-def]
    mask = table.size - 1
    for k in range(codes.size):
        out[k] = table[codes[k] & mask]
