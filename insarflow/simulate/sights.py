"""The truth of a scene's pairs: true coherence, what is seen of each mover, states of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from insarflow.simulate.bodies import Mover
from insarflow.simulate.scene import Scene
from insarflow.simulate.truth import Sight, pair_target, sight
from insarflow.types import Window


def true_coherence(scene: Scene, pairs: Sequence[tuple[int, int]], ground: Window) -> np.ndarray:
    """Coherence of pairs without noise or motion within a cell: float32, shape ``(len(pairs), *ground.shape)``.

    NaN in layover and shadow.
    """
    height = scene.relief.height(ground)
    surface = scene.surface(ground, scene.slides.bodies(ground))
    layover, shadow = scene.radar.folded(ground, scene.relief.height(scene.radar.around(ground)))
    quality = {n: scene.quality(n, ground, height) for n in sorted({n for pair in pairs for n in pair})}
    out = np.empty((len(pairs), *ground.shape), np.float32)
    for k, (i, j) in enumerate(pairs):
        left = np.exp(np.float32(-scene.repeat_days * (j - i)) / surface.decay_days)
        kept = surface.floor + (surface.first - surface.floor) * left
        out[k] = np.where(layover | shadow, np.float32(np.nan), np.sqrt(quality[i] * quality[j]) * kept)
    return out


def sights(
    scene: Scene, movers: Sequence[Mover], pairs: Sequence[tuple[int, int]], *, looks: float, cell: float
) -> list[list[Sight]]:
    """What each pair shows of each mover.

    Parameters
    ----------
    looks, cell
        Of the product, see `insarflow.simulate.truth.sight`.

    Returns
    -------
    list of list of Sight
        For each pair, of each mover.
    """
    found: list[list[Sight]] = [[] for _ in pairs]
    for mover in movers:
        middle = np.array([[mover.south / scene.spacing - 0.5]]), np.array([[mover.east / scene.spacing - 0.5]])
        east, north, up = (float(u[0, 0]) for u in scene.radar.viewing.line_of_sight(*middle, mover.height))
        known: dict[Window, np.ndarray] = {}
        for k, (i, j) in enumerate(pairs):

            def coherence_of(window: Window, k: int = k, known: dict[Window, np.ndarray] = known) -> np.ndarray:
                if window not in known:
                    known[window] = true_coherence(scene, pairs, window)
                return np.asarray(known[window][k])

            found[k].append(
                sight(
                    mover,
                    (scene.day(i), scene.day(j)),
                    (east, north, up),
                    coherence_of,
                    spacing=scene.spacing,
                    looks=looks,
                    cell=cell,
                )
            )
    return found


def targets(scene: Scene, pairs: Sequence[tuple[int, int]], pixels: Window, *, looks: float, cell: float) -> np.ndarray:
    """States of pixels, see `insarflow.simulate.truth`: uint8, shape ``(len(pairs), *pixels.shape)``."""
    ground = scene.ground_of(pixels)
    bodies = scene.slides.bodies(ground)
    height = scene.relief.height(ground)
    valid = np.ones(ground.shape, bool)
    half, n = scene.refine // 2, scene.refine
    out = np.empty((len(pairs), *pixels.shape), np.uint8)
    look = scene.look(ground, height)
    for k, seen in enumerate(sights(scene, bodies.movers, pairs, looks=looks, cell=cell)):
        motion = scene.motion(pairs[k], bodies, look)
        target = pair_target(bodies, {s.id: s for s in seen}, motion, valid)
        out[k] = target[half::n, half::n]
    return out
