"""What a simulated interferogram shows, and what it hides."""

from __future__ import annotations

from typing import Final

import numpy as np

from insarflow.constants import DAYS_PER_YEAR, SENTINEL1_WAVELENGTH
from insarflow.simulate.scene import Scene

VISIBLE_PHASE: Final = 0.8
"""Smallest peak phase at which a person outlines a mover, rad."""

VISIBLE_COHERENCE: Final = 0.3
"""Smallest mean coherence over a mover at which its phase can be seen."""

RIM_PHASE: Final = 0.3
"""Phase below which the slow rim of a visible mover is left open, rad."""

ABSENT, MOVING, OPEN, MISSING = 0, 1, 2, 3
"""States of a pixel; the last is for those that hold no data."""


def pair_target(scene: Scene, pair: tuple[int, int], coherence: np.ndarray) -> np.ndarray:
    """Truth of one interferogram: uint8 ``(y, x)``.

    Parameters
    ----------
    pair
        Acquisition numbers, (earlier, later).
    coherence
        float32 ``(y, x)``, as observed.

    Returns
    -------
    ndarray
        `MOVING` where a visible mover moves by at least `RIM_PHASE`; `OPEN` on its rim and on movers that are there
        but too slow or too decorrelated to be seen; `ABSENT` elsewhere.
    """
    movers = scene.movers
    days = float(scene.days[pair[1]] - scene.days[pair[0]])
    visible = np.concatenate([[False], visible_movers(scene, days, coherence)])
    phase = 4 * np.pi / SENTINEL1_WAVELENGTH * np.abs(movers.rate) * days / DAYS_PER_YEAR
    target = np.where(movers.label > 0, np.uint8(OPEN), np.uint8(ABSENT))
    target[visible[movers.label] & (phase >= RIM_PHASE)] = MOVING
    return target


def visible_movers(scene: Scene, days: float, coherence: np.ndarray) -> np.ndarray:
    """Which movers an interferogram over `days` shows: bool, shape ``(movers.count,)``."""
    label = scene.movers.label.ravel()
    area = np.maximum(np.bincount(label, minlength=scene.movers.count + 1), 1)
    mean = np.bincount(label, weights=np.nan_to_num(coherence).ravel(), minlength=scene.movers.count + 1) / area
    return (scene.peak_phase(days) >= VISIBLE_PHASE) & (mean[1:] >= VISIBLE_COHERENCE)
