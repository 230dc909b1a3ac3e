"""The truth of a scene's pairs: true coherence, what is seen of each mover, states of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from insarflow.simulate.bodies import REACH, Mover
from insarflow.simulate.marks import Shown, marks
from insarflow.simulate.processing import Processing
from insarflow.simulate.scene import TO_PHASE, Scene, Surface
from insarflow.simulate.truth import Sight, pair_target, sight
from insarflow.types import Window

_MOST: Final = 1 << 26
"""Numbers that are kept at once."""


@dataclass(frozen=True)
class TrueCoherence:
    """Coherence without noise and without motion within a cell, of any pair in a window.

    Attributes
    ----------
    window
        Ground cells.
    height, hidden
        Of them, m, and whether they lie in layover or shadow.
    """

    scene: Scene
    window: Window
    height: np.ndarray
    hidden: np.ndarray
    surface: Surface
    _quality: dict[int, np.ndarray] = field(init=False, repr=False, compare=False, default_factory=dict)

    @classmethod
    def of(cls, scene: Scene, window: Window) -> Self:
        """Of a scene."""
        layover, shadow = scene.folded(window)
        surface = scene.surface(window, scene.slides.bodies(window))
        return cls(scene, window, scene.relief.height(window), layover | shadow, surface)

    def at(self, pair: tuple[int, int], window: Window | None = None) -> np.ndarray:
        """Coherence of a pair in a part of the window, float32, its shape; NaN in layover and shadow."""
        cut = (self.window if window is None else window).within(self.window)
        first, floor, decay = (np.ascontiguousarray(v[cut]) for v in self.surface[:3])
        left = np.exp(np.float32(-self.scene.repeat_days * (pair[1] - pair[0])) / decay)
        one, other = (self._left(number)[cut] for number in pair)
        kept = np.sqrt(one * other) * (floor + (first - floor) * left)
        return np.where(self.hidden[cut], np.float32(np.nan), kept)

    def _left(self, number: int) -> np.ndarray:
        if number not in self._quality:
            self._quality[number] = self.scene.quality(number, self.window, self.height)
        return self._quality[number]


def sights(
    scene: Scene,
    movers: Sequence[Mover],
    pairs: Sequence[tuple[int, int]],
    processing: Processing,
    shown: Shown | None = None,
) -> list[dict[int, Sight]]:
    """What each pair shows of each mover.

    Parameters
    ----------
    processing
        Of the product.
    shown
        As of `insarflow.simulate.marks.marks`.

    Returns
    -------
    list of dict of Sight
        For each pair, by the mover's id: what could be seen of its phase, and is still to be seen in the product.
    """
    found = _possible(scene, movers, pairs, looks=processing.effective_looks, cell=processing.cell)
    peaks = np.array([[s.peak if s.state == "visible" else np.nan for s in seen] for seen in found])
    left = marks(scene, movers, pairs, peaks.reshape(len(pairs), len(movers)), processing, shown)
    return [{s.id: s.marked(float(m)) for s, m in zip(*both, strict=True)} for both in zip(found, left, strict=True)]


def _possible(
    scene: Scene, movers: Sequence[Mover], pairs: Sequence[tuple[int, int]], *, looks: float, cell: float
) -> list[list[Sight]]:
    """What could be seen of each mover were nothing taken away by filters."""
    whole = _common(scene, movers, len({n for pair in pairs for n in pair}))
    shared: TrueCoherence | None = None
    found: list[list[Sight]] = [[] for _ in pairs]
    for mover in movers:
        east, north, up = scene.radar.viewing.line_of_sight(
            mover.south / scene.spacing - 0.5, mover.east / scene.spacing - 0.5, mover.height
        )
        look = float(east), float(north), float(up)
        own = shared
        for k, (i, j) in enumerate(pairs):

            def coherence_of(window: Window, pair: tuple[int, int] = (i, j)) -> np.ndarray:
                # Only now, since nobody asks for movers at rest.
                nonlocal own, shared
                if own is None:
                    own = TrueCoherence.of(scene, whole or window)
                    shared = own if whole else None
                return own.at(pair, window)

            days = scene.day(i), scene.day(j)
            found[k].append(sight(mover, days, look, coherence_of, spacing=scene.spacing, looks=looks, cell=cell))
    return found


def targets(
    scene: Scene, pairs: Sequence[tuple[int, int]], pixels: Window, seen: Sequence[Mapping[int, Sight]]
) -> np.ndarray:
    """States of pixels, see `insarflow.simulate.truth`: uint8, shape ``(len(pairs), *pixels.shape)``.

    Parameters
    ----------
    seen
        Of the window's movers, as `sights`.
    """
    ground = scene.ground_of(pixels)
    bodies = scene.slides.bodies(ground)
    valid = np.ones(ground.shape, bool)
    half, n = scene.refine // 2, scene.refine
    out = np.empty((len(pairs), *pixels.shape), np.uint8)
    look = scene.look(ground, scene.relief.height(ground))
    moved = {k: bodies.displacement(scene.day(k), *look) for k in {k for pair in pairs for k in pair}}
    for k, shown in enumerate(seen):
        first, second = (moved[number] for number in pairs[k])
        motion = np.float32(-TO_PHASE) * (second - first)
        target = pair_target(bodies, shown, motion, valid)
        out[k] = target[half::n, half::n]
    return out


def _common(scene: Scene, movers: Sequence[Mover], acquisitions: int) -> Window | None:
    """Window around all movers, if it is less work than one for each, with the ground that folds into them."""
    windows = [m.window(scene.spacing, reach=REACH) for m in movers]
    if len(windows) < 2:
        return None
    y0, x0, y1, x1 = zip(*((w.y0, w.x0, w.y1, w.x1) for w in windows), strict=True)
    whole = Window(min(y0), min(x0), max(y1) - min(y0), max(x1) - min(x0))
    if whole.height * whole.width * acquisitions > _MOST or _work(scene, whole) > sum(_work(scene, w) for w in windows):
        return None
    return whole


def _work(scene: Scene, window: Window) -> int:
    around = scene.radar.around(window)
    return window.height * window.width + around.height * around.width
