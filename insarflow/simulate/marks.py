"""What the filters of a product leave of a movement: the same pair with and without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from insarflow.simulate.bodies import REACH, Mover
from insarflow.simulate.observe import observe
from insarflow.simulate.processing import Processing
from insarflow.simulate.scene import Scene
from insarflow.types import Window

Shown = Callable[[Sequence[tuple[int, int]], Window], np.ndarray]
"""Pairs and a window of pixels -> their interferograms, complex64 ``(pair, y, x)``."""

_MOST: Final = 1 << 22
"""Pixels of all pairs that are looked at together."""

_MARGIN: Final = 40
"""Pixels about a window that filters read, for an estimate of work."""

_RING: Final = 1.1
_RIM: Final = 0.1
_ZONES: Final = 4
_ZONE_PHASE: Final = 1.5
_FEWEST: Final = 4
_LEAST_LENGTH: Final = 0.5


def marks(
    scene: Scene,
    movers: Sequence[Mover],
    pairs: Sequence[tuple[int, int]],
    peaks: np.ndarray,
    processing: Processing,
    shown: Shown | None = None,
) -> np.ndarray:
    """Phase of movers against the ground about them that is left in a product.

    Parameters
    ----------
    peaks
        Phase of their cores, rad, shape ``(len(pairs), len(movers))``; NaN where nobody asks.
    processing
        Of the product.
    shown
        The pairs as they are, where somebody has them; observed by default.

    Returns
    -------
    ndarray
        float64, as `peaks`: rad, 0 or more, at most pi; 0 where too little of the mover is to be seen; NaN where nobody
        asked. A function of scene, mover, pair and product.

    Notes
    -----
    Each pair is simulated a second time from the same noise, with all movers away. What differs is what the product
    shows of them: filters take much of a body that fills a small part of their patch. A body is divided into zones of
    like profile, narrow enough that the phase turns by less than 1.5 rad in each. The mark is the largest angle between
    the mean of a zone and that of the ring about the body, among zones of four or more pixels whose mean keeps
    half of its length.
    """
    still = replace(scene, slides=replace(scene.slides, density=0.0))

    def without(pairs: Sequence[tuple[int, int]], window: Window) -> np.ndarray:
        return np.asarray(observe(still, pairs, window, processing)["igram"])

    def as_is(pairs: Sequence[tuple[int, int]], window: Window) -> np.ndarray:
        return np.asarray(observe(scene, pairs, window, processing)["igram"])

    found = np.where(np.isnan(peaks), np.nan, 0.0)
    asked_of = np.flatnonzero(np.isfinite(peaks).any(axis=0)).tolist()
    own = {k: part for k in asked_of if (part := _pixels(scene, movers[k])) is not None}
    for window, some in _together(own, len(pairs)):
        asked = np.flatnonzero(np.isfinite(peaks[:, some]).any(axis=1)).tolist()
        chosen = [pairs[p] for p in asked]
        change = (shown or as_is)(chosen, window) * np.conj(without(chosen, window))
        size = np.abs(change)
        change /= np.where(size == 0, np.float32(np.nan), size)
        for k in some:
            ring, profile = _zones_of(scene, movers[k], own[k])
            for p, image in zip(asked, change, strict=True):
                if np.isfinite(peaks[p, k]):
                    found[p, k] = _mark(image[own[k].within(window)], ring, profile, abs(float(peaks[p, k])))
    return found


def _pixels(scene: Scene, mover: Mover) -> Window | None:
    """Pixels of the region whose middles lie on a mover or the ring about it."""
    ground, n, half = mover.window(scene.spacing, reach=REACH), scene.refine, scene.refine // 2
    y0, x0 = -((half - ground.y0) // n), -((half - ground.x0) // n)
    y1, x1 = -((half - ground.y1) // n), -((half - ground.x1) // n)
    return Window(y0, x0, y1 - y0, x1 - x0).shared(Window(0, 0, *scene.shape)) if y1 > y0 and x1 > x0 else None


def _together(windows: dict[int, Window], pairs: int) -> list[tuple[Window, list[int]]]:
    """Windows to look at with the movers in each: one about all if that is less work than one for each."""
    if not windows:
        return []
    each = [(w, [k]) for k, w in windows.items()]
    y0, x0, y1, x1 = zip(*((w.y0, w.x0, w.y1, w.x1) for w in windows.values()), strict=True)
    hull = Window(min(y0), min(x0), max(y1) - min(y0), max(x1) - min(x0))
    if hull.height * hull.width * pairs > _MOST or _work(hull) > sum(_work(w) for w in windows.values()):
        return each
    return [(hull, list(windows))]


def _work(window: Window) -> int:
    return (window.height + 2 * _MARGIN) * (window.width + 2 * _MARGIN)


def _zones_of(scene: Scene, mover: Mover, pixels: Window) -> tuple[np.ndarray, np.ndarray]:
    """Ring and profile at the middles of pixels."""
    half, n = scene.refine // 2, scene.refine
    radius, profile = mover.trace(scene.ground_of(pixels), scene.spacing)
    radius, profile = radius[half::n, half::n], profile[half::n, half::n]
    return (radius > _RING) & (radius < np.inf), profile


def _mark(change: np.ndarray, ring: np.ndarray, profile: np.ndarray, peak: float) -> float:
    around = change[ring & np.isfinite(change)]
    if around.size < _FEWEST:
        return 0.0
    about = np.conj(around.mean())
    edges = np.linspace(_RIM, 1.0, max(_ZONES, math.ceil(peak * (1.0 - _RIM) / _ZONE_PHASE)) + 1)
    largest = 0.0
    body = (profile >= _RIM) & np.isfinite(change)
    zone = np.minimum(np.searchsorted(edges, profile[body], side="right"), len(edges) - 1)
    for k in range(1, len(edges)):
        values = change[body][zone == k]
        if values.size >= _FEWEST and abs(middle := values.mean()) >= _LEAST_LENGTH:
            largest = max(largest, abs(float(np.angle(middle * about))))
    return largest
