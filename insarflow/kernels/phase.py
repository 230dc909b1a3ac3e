"""From phase to phasors."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.elementary import direction


def phasor(phase: np.ndarray) -> np.ndarray:
    """``exp(i phase)``, right within 1e-7; NaN where the phase is.

    Parameters
    ----------
    phase
        float32, rad, any shape; magnitudes below 1e7.

    Returns
    -------
    ndarray
        complex64, same shape.
    """
    out = np.empty(phase.shape, np.complex64)
    _phasor(np.ascontiguousarray(phase, np.float32).reshape(-1), out.view(np.float32).reshape(-1))
    return out


@jit
def _phasor(phase, out):  # type: ignore[no-untyped-def]
    for k in range(phase.size):
        cosine, sine = direction(np.float64(phase[k]))
        out[2 * k] = cosine
        out[2 * k + 1] = sine
