"""What an interferogram shows of each mover, and what it hides: a function of mover and pair, not of a window."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.errors import InsarError
from insarflow.kernels.phase_statistics import phase_std
from insarflow.simulate.bodies import REACH, Bodies, Mover
from insarflow.types import Window

VISIBLE_PHASE: Final = 0.8
"""Smallest phase of a core against the ground about it at which a person outlines a mover, rad."""

VISIBLE_SIGMAS: Final = 3.0
"""And over the standard deviation of the filtered phase there."""

COHERENT_SIGMA: Final = 1.0
"""Largest standard deviation of the filtered phase, rad, that is no mere noise (noise without a signal: 1.81)."""

RESTING_PHASE: Final = 0.1
"""Phase of a core below which it rests in a pair, rad: 0.44 mm."""

RIM_PHASE: Final = 0.3
"""Phase below which the slow rim of a visible mover is left open, rad."""

ABSENT, MOVING, OPEN, MISSING = 0, 1, 2, 3
"""States of a pixel; the last is for those that hold no data."""

State = Literal["visible", "hidden", "resting"]

PeakClass = Literal["0.8-1.5", "1.5-pi", ">pi", "decorrelated core"]

CoherenceOf = Callable[[Window], np.ndarray]
"""Ground window -> true coherence of a pair there, float32, 0..1; NaN where there is no data, layover or shadow."""

SMALLEST_CELLS: Final = 3.0
"""Width of a mover, in cells of the product, below which filters take it away."""

_CORE = 0.8
_RING = 1.1
_HALF, _THIRD = 1 / 2, 1 / 3
_LEAST_CELLS = 12


@dataclass(frozen=True)
class Sight:
    """What a pair shows of a mover.

    Attributes
    ----------
    id
        Of the mover.
    peak
        Phase of its core against the ground about it, rad, positive away from the satellite, not wrapped.
    sigma
        Standard deviation of the filtered phase, rad: the larger of the medians over core and ring; NaN where one of
        them holds too little data.
    state
        ``"visible"``; ``"hidden"``: it moves, but the pair does not show it; ``"resting"``.
    peak_class
        Of what is visible, else None.
    mark
        Phase that the product's filters leave of it, rad; NaN if nobody looked.
    """

    id: int
    peak: float
    sigma: float
    state: State
    peak_class: PeakClass | None
    mark: float = math.nan

    def marked(self, mark: float) -> Sight:
        """The same where the filters leave so much phase: hidden if that is less than what is visible."""
        if self.state != "visible":
            return self
        # What is left of a core without coherence is its margin, which has been compared with its own noise.
        noise = 0.0 if self.peak_class == "decorrelated core" else VISIBLE_SIGMAS * self.sigma
        if mark >= max(VISIBLE_PHASE, noise):
            return replace(self, mark=mark)
        return replace(self, state="hidden", peak_class=None, mark=mark)


def peak_phase(mover: Mover, days: tuple[float, float], los: tuple[float, float, float]) -> float:
    """Phase of a mover's core in a pair, rad, positive away from the satellite, not wrapped.

    Parameters
    ----------
    days
        Of the earlier and the later acquisition, counted from a 1 January.
    los
        Unit vector from the mover to the satellite: east, north, up.
    """
    toward = mover.moved(*days) * sum(d * u for d, u in zip(mover.direction, los, strict=True))
    return -4 * math.pi / SENTINEL1_WAVELENGTH * toward


def sight(
    mover: Mover,
    days: tuple[float, float],
    los: tuple[float, float, float],
    coherence_of: CoherenceOf,
    *,
    spacing: float,
    looks: float,
    cell: float = 28.0,
) -> Sight:
    """Whether a pair shows a mover.

    Parameters
    ----------
    days, los
        As in `peak_phase`.
    coherence_of
        Asked for the mover's own window alone, whatever window is simulated.
    spacing
        Of the ground grid, m.
    looks
        Independent looks of the filtered phase, at least 1.
    cell
        Ground size, m, of what is averaged to one value before the filter: where the phase turns once or more across
        it, coherence is lost.

    Raises
    ------
    InsarError
        If `coherence_of` returns another shape than the window's.

    Notes
    -----
    The standard deviation of the filtered phase, sigma, is `phase_std` of the true coherence times
    ``|sinc(g cell / 2 pi)|``, g the gradient of the mover's own phase in rad/m (0 beyond one turn). *Core* is where the
    profile is at least 0.8, *margin* the rest of the body, and the *ring* lies outside of 1.1 radii within the ellipse
    of 1.5. A mover whose core moves by less than 0.1 rad is **resting**. One that is narrower than three cells is
    **hidden**. Else it is **visible** if at least half of the
    core's and a third of the ring's cells hold data, the median sigma of the ring is at most 1 rad, and

    - that of the core too, and the core's phase is at least ``max(0.8 rad, 3 sigma)`` with the larger of the two; or
    - the core has lost its coherence (median sigma over 1 rad), but in at least a third, and 12, of the margin's cells
      sigma is at most 1 rad and the phase at least ``max(0.8 rad, 3 sigma)``: class ``"decorrelated core"``.

    All else is **hidden**.
    """
    peak = peak_phase(mover, days, los)
    if abs(peak) < RESTING_PHASE:
        return Sight(mover.id, peak, math.nan, "resting", None)
    if 2 * mover.half_width < SMALLEST_CELLS * cell:
        return Sight(mover.id, peak, math.nan, "hidden", None)
    zones = _zones(mover, spacing)
    coherence = np.asarray(coherence_of(zones.window), np.float32)
    if coherence.shape != zones.window.shape:
        raise InsarError(
            f"coherence_of must return the window's shape {zones.window.shape}, instead got shape {coherence.shape}: "
            "return one value for each cell of the window it is given"
        )
    left = np.abs(np.sinc(np.minimum(zones.gradient * np.float32(abs(peak) * cell / (2 * np.pi)), 1.0)))
    sigma = phase_std(coherence * left, looks=looks)
    core, ring = _median(sigma[zones.core], _HALF), _median(sigma[zones.ring], _THIRD)
    worst = math.nan if math.isnan(core) or math.isnan(ring) else max(core, ring)
    seen: PeakClass | None = None
    if ring <= COHERENT_SIGMA:
        if core <= COHERENT_SIGMA:
            seen = _class_of(abs(peak)) if abs(peak) >= max(VISIBLE_PHASE, VISIBLE_SIGMAS * worst) else None
        elif core > COHERENT_SIGMA and _fringed(sigma[zones.margin], zones.profile[zones.margin] * abs(peak)):
            seen = "decorrelated core"
    return Sight(mover.id, peak, worst, "hidden" if seen is None else "visible", seen)


def pair_target(bodies: Bodies, sights: Mapping[int, Sight], phase: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Truth of a pair over a window: uint8, ``window.shape``.

    Parameters
    ----------
    bodies
        The movers of the window.
    sights
        By the mover's id; those of all movers of `bodies`.
    phase
        float32: the pair's phase of motion, rad, not wrapped, of either sign.
    valid
        bool: where there is data.

    Returns
    -------
    ndarray
        `MOVING` where a visible mover moves by at least `RIM_PHASE`; `OPEN` on the rest of it, and on hidden movers;
        `ABSENT` elsewhere, also on movers at rest; `MISSING` where there is no data, whatever moves there.

    Raises
    ------
    InsarError
        If a mover has no sight.
    """
    missing = [m.id for m in bodies.movers if m.id not in sights]
    if missing:
        raise InsarError(
            f"sights must hold every mover of the window, instead got none of id={missing[0]}: add sight(mover, ...)"
        )
    states = [sights[m.id].state for m in bodies.movers]
    of_body = np.array([ABSENT, *(ABSENT if s == "resting" else OPEN for s in states)], np.uint8)
    visible = np.array([False, *(s == "visible" for s in states)])
    target: np.ndarray = of_body[bodies.label]
    target[visible[bodies.label] & (np.abs(phase) >= RIM_PHASE)] = MOVING
    target[~valid] = MISSING
    return target


@dataclass(frozen=True)
class _Zones:
    """Parts of a mover's own window; gradient is that of the profile, per m."""

    window: Window
    profile: np.ndarray
    gradient: np.ndarray
    core: np.ndarray
    margin: np.ndarray
    ring: np.ndarray


@lru_cache(maxsize=256)
def _zones(mover: Mover, spacing: float) -> _Zones:
    window = mover.window(spacing, reach=REACH)
    radius, profile = mover.trace(window, spacing)
    core = profile >= _CORE
    south, east = np.gradient(profile, np.float32(spacing))
    ring = (radius > _RING) & (radius < np.inf)
    return _Zones(window, profile, np.hypot(south, east), core, (radius < 1) & ~core, ring)


def _median(sigma: np.ndarray, share: float) -> float:
    """Median where there is data; NaN where that is less than this share of the cells."""
    there = sigma[np.isfinite(sigma)]
    return float(np.median(there)) if there.size and there.size >= share * sigma.size else math.nan


def _fringed(sigma: np.ndarray, phase: np.ndarray) -> bool:
    """Whether the margin shows the motion that its core hides."""
    seen = (sigma <= COHERENT_SIGMA) & (phase >= np.maximum(VISIBLE_PHASE, VISIBLE_SIGMAS * sigma))
    return int(seen.sum()) >= max(_LEAST_CELLS, _THIRD * sigma.size)


def _class_of(peak: float) -> PeakClass:
    return "0.8-1.5" if peak < 1.5 else "1.5-pi" if peak < math.pi else ">pi"
