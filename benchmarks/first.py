"""The first call of each kernel in a fresh process that has nothing compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

CALLS = {
    "goldstein": "insarflow.goldstein(z)",
    "goldstein snap_legacy": "insarflow.goldstein(z, preset='snap_legacy')",
    "goldstein baran03": "insarflow.goldstein(z, preset='baran03', coherence=g)",
    "multilook": "insarflow.multilook(z, y=8, x=2)",
    "coherence": "insarflow.coherence(z, w, window=5)",
    "coherence 9 x 9": "insarflow.coherence(z, w, window=9)",
    "phase coherence": "insarflow.coherence(z, window=5)",
    "coherence, gaussian": "insarflow.coherence(z, w, window=5, weights='gaussian')",
    "pair": "insarflow.interferogram(z, w, looks=(8, 2))",
    "residues": "insarflow.residues(z)",
    "phase offset": "insarflow.add_offset(z, 1.0)",
    "phase ramp": "insarflow.add_ramp(z, slope_y=0.1, slope_x=0.1)",
    "decorrelate": "insarflow.decorrelate(ds, factor=0.6, looks=12, seed=1)",
    "turbulence": "insarflow.add_turbulence(z, std=0.5, seed=1)",
}
"""What is called, by name."""

_SCRIPT = """
import time
import numpy as np, xarray as xr, insarflow
z, w = (xr.DataArray(np.exp(1j * np.random.default_rng(k).normal(size=(256, 256))).astype("c8"), dims=("y", "x"))
        for k in (0, 1))
g = xr.full_like(z, 0.7, "f4")
ds = xr.Dataset({"igram": z, "coherence": g})
start = time.perf_counter()
CALL
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class First:
    """Seconds of the first call, compilation included."""

    name: str
    empty: float
    """With nothing compiled before."""
    cached: float
    """In a new process, with what the one before left on disk."""


def measure(name: str) -> First:
    """Time one of `CALLS`, the import of the package not counted."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = [_run(CALLS[name], folder) for _ in range(2)]
    return First(name, *seconds)


def _run(call: str, cache: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.replace("CALL", call)],
        capture_output=True, text=True, check=True, env={**os.environ, "NUMBA_CACHE_DIR": cache},
    )  # fmt: skip
    return float(done.stdout)
