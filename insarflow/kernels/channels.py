"""What a network sees of an interferogram: coherence, and cosine and sine of the phase, side by side for each pixel."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.codes import PHASE_MISSING, fraction_step, phasors


def fill_channels(igram: np.ndarray, coherence: np.ndarray, out: np.ndarray, missing: np.ndarray) -> int:
    """Encode an image.

    Parameters
    ----------
    igram
        complex64, shape ``(y, x)``; any magnitude. NaN is missing.
    coherence
        float32, shape ``(y, x)``, 0..1. NaN is missing.
    out
        float32, shape ``(y, x, 3)``, filled: coherence, cosine and sine of the phase; all three 0 where either input is
        not finite, and where the interferogram is 0 and so has no phase.
    missing
        bool, shape ``(y, x)``, filled: whether either input is not finite.

    Returns
    -------
    int
        Number of finite coherences outside 0 to 1.001.
    """
    return int(_fill(igram, coherence, out, missing))


def fill_channels_of_codes(phase: np.ndarray, coherence: np.ndarray, out: np.ndarray, missing: np.ndarray) -> None:
    """As `fill_channels`, bit for bit, of the codes of `insarflow.kernels.codes`: int16, and uint8 or uint16."""
    steps = (np.arange(np.iinfo(coherence.dtype).max + 1) * fraction_step(coherence.dtype)).astype(np.float32)
    _look_up(phase, coherence, _directions(), steps, out, missing)


_tables: dict[str, np.ndarray] = {}


def _directions() -> np.ndarray:
    """Cosine and sine of every phase code as an unsigned number; built once a process."""
    if "phase" not in _tables:
        image = phasors().reshape(1, -1)
        channels, missing = np.empty((*image.shape, 3), np.float32), np.empty(image.shape, bool)
        fill_channels(image, np.ones(image.shape, np.float32), channels, missing)
        _tables["phase"] = np.ascontiguousarray(channels[0, :, 1:])
    return _tables["phase"]


@jit
def _fill(igram, coherence, out, missing):  # type: ignore[no-untyped-def]
    wrong, zero = np.int64(0), np.float32(0.0)
    for i in range(igram.shape[0]):
        for j in range(igram.shape[1]):
            re, im, gamma = igram[i, j].real, igram[i, j].imag, coherence[i, j]
            absent = re * zero + im * zero + gamma * zero != zero
            # In double precision no square overflows.
            length = np.sqrt(np.float64(re) * np.float64(re) + np.float64(im) * np.float64(im))
            nothing = absent or length == 0.0
            missing[i, j] = absent
            out[i, j, 0] = zero if nothing else gamma
            out[i, j, 1] = zero if nothing else np.float32(re / length)
            out[i, j, 2] = zero if nothing else np.float32(im / length)
            wrong += (not absent) and (gamma < zero or gamma > np.float32(1.001))
    return wrong


@jit
def _look_up(phase, coherence, table, steps, out, missing):  # type: ignore[no-untyped-def]
    last = steps.size - 1
    for i in range(phase.shape[0]):
        for j in range(phase.shape[1]):
            code, gamma = phase[i, j], coherence[i, j]
            absent = code == PHASE_MISSING or gamma == last
            at = code & 65535
            missing[i, j] = absent
            out[i, j, 0] = np.float32(0.0) if absent else steps[gamma]
            out[i, j, 1] = np.float32(0.0) if absent else table[at, 0]
            out[i, j, 2] = np.float32(0.0) if absent else table[at, 1]
