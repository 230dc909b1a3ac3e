"""Lazy images of a scene: a task for each block, simulated when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final

import dask.array as da
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from dask.delayed import Delayed

from insarflow.ops.layer import Chunks, array_by_rule
from insarflow.simulate.ground_cover import WATER
from insarflow.simulate.observe import PAIR, observe
from insarflow.simulate.processing import Processing
from insarflow.simulate.scene import Scene
from insarflow.types import Window

BLOCK: Final = 512
"""Pixels along a side of what is simulated at once."""


def pair_images(scene: Scene, pairs: Sequence[tuple[int, int]], processing: Processing) -> list[dict[str, da.Array]]:
    """``igram`` and ``coherence`` of each pair, lazy ``(y, x)``."""
    images = []
    for pair in pairs:
        both = blocks(f"simulate-{pair[0]}-{pair[1]}", scene, _observe, PAIR, pair=pair, processing=processing)
        images.append({name: da.map_blocks(itemgetter(name), both, dtype=PAIR[name]) for name in PAIR.names or ()})
    return images


def image(scene: Scene, name: str) -> da.Array:
    """An image of the ground by the contract's name, lazy ``(y, x)``."""
    kind = np.dtype(bool) if name in ("layover", "shadow", "water") else np.dtype(np.float32)
    return blocks(f"simulate-{name}", scene, _image, kind, name=name)


def blocks(
    title: str, scene: Scene, function: Callable[..., np.ndarray], dtype: np.dtype,
    needs: Mapping[tuple[int, int], Sequence[Delayed]] = MappingProxyType({}), /, **given: Any,
) -> da.Array:  # fmt: skip
    """Lazy ``(y, x)`` array whose blocks are ``function(scene, pixels, *needs, **given)``, with what each needs."""
    chunks = tuple(_sizes(n) for n in scene.shape)
    keys = {block: tuple(one.key for one in some) for block, some in needs.items()}
    rule = _Blocks(scene, function, keys, given, chunks)
    sources = {one.key: one for some in needs.values() for one in some}
    name = f"{title}-{tokenize(scene, function, keys, given)}"
    return array_by_rule(name, rule, chunks, dtype, list(sources.values()))


def _sizes(n: int) -> tuple[int, ...]:
    return (BLOCK,) * (n // BLOCK) + ((n % BLOCK,) if n % BLOCK else ())


@dataclass(frozen=True)
class _Blocks:
    """The rule of the tasks of `blocks`."""

    scene: Scene
    function: Callable[..., np.ndarray]
    needs: Mapping[tuple[int, int], tuple[str, ...]]
    given: dict[str, Any]
    chunks: Chunks

    def task(self, key: tuple[Any, ...]) -> Task:
        """Simulate a block."""
        i, j = key[1:]
        pixels = Window(i * BLOCK, j * BLOCK, self.chunks[0][i], self.chunks[1][j])
        needs = (TaskRef(need) for need in self.needs.get((i, j), ()))
        return Task(key, self.function, self.scene, pixels, *needs, **self.given)


def _observe(scene: Scene, pixels: Window, pair: tuple[int, int], processing: Processing) -> np.ndarray:
    return np.asarray(observe(scene, [pair], pixels, processing)[0])


def _image(scene: Scene, pixels: Window, name: str) -> np.ndarray:
    half, n = scene.refine // 2, scene.refine
    ground = scene.ground_of(pixels)
    if name in ("layover", "shadow"):
        whole = scene.folded(ground)[name == "shadow"]
    elif name == "water":
        whole = scene.cover.kinds(ground, scene.relief) == WATER
    elif name == "dem":
        whole = scene.relief.height(ground) + scene.dem_error.at(ground)
    else:
        height = scene.relief.height(ground)
        if name == "incidence":
            rows, cols = np.arange(ground.y0, ground.y1)[:, None], np.arange(ground.x0, ground.x1)[None, :]
            whole = scene.radar.viewing.incidence_at(rows, cols, height).astype(np.float32)
        else:
            whole = scene.look(ground, height)[("los_east", "los_north", "los_up").index(name)]
    return np.ascontiguousarray(whole[half::n, half::n])
