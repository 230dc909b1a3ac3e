"""One tile of an interferogram, unwrapped by SNAPHU: whole cycles and connected components."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from insarflow.errors import InsarError
from insarflow.types import Tile

CYCLES: Final = np.dtype([("cycles", "int16"), ("component", "uint16")])
"""What is kept of a pixel: its whole cycles, and its component (0 is none)."""

MISSING: Final = np.iinfo("int16").min
"""Cycles of a pixel that has no phase."""


def require_snaphu() -> None:
    """Check that the package is there, without loading it.

    Raises
    ------
    InsarError
        If it is not.
    """
    if find_spec("snaphu") is None:
        raise InsarError("unwrap needs the package snaphu, which is not installed: pip install 'insarflow[unwrap]'")


def unwrap_tile(igram: np.ndarray, coherence: np.ndarray, *, tile: Tile, looks: float, cost: str) -> np.ndarray:
    """Unwrap a tile.

    Parameters
    ----------
    igram
        complex64, shape ``(..., y, x)``: NaN and 0 have no phase.
    coherence
        float32, 0..1, NaN counts as 0.
    tile
        Place in the whole array.
    looks
        Independent looks of the coherence.
    cost
        Of SNAPHU: ``smooth`` or ``defo``.

    Returns
    -------
    ndarray
        `CYCLES`, shape of `igram`: the unwrapped phase is that of `igram` plus ``2 pi cycles``.

    Raises
    ------
    InsarError
        If SNAPHU fails; the message has its last words and where the tile lies.
    """
    out = np.empty(igram.shape, CYCLES)
    for index in np.ndindex(igram.shape[:-2]):
        z = np.ascontiguousarray(igram[index])
        there = np.isfinite(z) & (z != 0)
        out[index]["cycles"], out[index]["component"] = MISSING, 0
        if not there.any():
            continue
        gamma = np.clip(np.nan_to_num(coherence[index]), 0, 1).astype(np.float32)
        unwrapped, components = _snaphu(np.where(there, z, 0), gamma, there, {"nlooks": looks, "cost": cost}, tile)
        cycles = np.rint((unwrapped - np.angle(z)) / (2 * np.pi))
        out[index]["cycles"][there] = cycles[there]
        out[index]["component"][there] = components[there]
    return out


def _snaphu(
    igram: np.ndarray, coherence: np.ndarray, mask: np.ndarray, options: dict[str, float | str], tile: Tile
) -> tuple[np.ndarray, np.ndarray]:
    with tempfile.TemporaryDirectory(prefix="insarflow-unwrap-") as name:
        folder = Path(name)
        for array, image in (("igram", igram), ("coherence", coherence), ("mask", mask)):
            np.save(folder / f"{array}.npy", image)
        (folder / "options.json").write_text(json.dumps(options), encoding="utf-8")
        path = os.pathsep.join(entry for entry in sys.path if entry)
        command = [sys.executable, "-P", str(Path(__file__).with_name("snaphu_child.py")), name]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            words = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            read = tile.read
            raise InsarError(
                f"SNAPHU could not unwrap rows {read.y0} to {read.y1}, columns {read.x0} to {read.x1}: {words}"
            )
        return np.load(folder / "unwrapped.npy"), np.load(folder / "components.npy")
