"""The truth behind a simulated stack, as a lazy dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.delayed import Delayed, delayed

from insarflow.constants import DAYS_PER_YEAR
from insarflow.schema import CELLS, DIMS, SPACE
from insarflow.simulate.blocks import blocks
from insarflow.simulate.bodies import Bodies, Mover
from insarflow.simulate.look_alike_bodies import CLASSES
from insarflow.simulate.processing import Processing
from insarflow.simulate.scene import Scene
from insarflow.simulate.sights import sights, targets
from insarflow.simulate.truth import MISSING, Sight
from insarflow.stack.cube import cube
from insarflow.types import Pair, Window, parse_delay

PARTS: Final = {
    "motion": "phase of the movers' motion",
    "look_alike_phase": "phase of what looks like a moving slope and is none",
    "atmosphere": "phase of the air",
    "orbit": "phase of orbit errors and burst edges",
    "topography": "phase that the DEM's error leaves",
}


def truth_of(
    scene: Scene, stack: xr.Dataset, pairs: Mapping[Pair, tuple[int, int]], processing: Processing
) -> xr.Dataset:
    """Truth of a stack; see `insarflow.simulate_stack`."""
    around = scene.slides.near(scene.ground_of(Window(0, 0, *scene.shape)))
    movers = _on_pixels(scene, around)
    numbers = {m.id: k + 1 for k, m in enumerate(movers)}
    dates, delays = stack.indexes["date"], stack.indexes["delay"]
    shape = len(dates), len(delays)
    cells = {
        pair: (dates.tolist().index(p.reference), delays.tolist().index(parse_delay(p.delay_days)))
        for p, pair in pairs.items()
    }
    chunks = stack["igram"].data.chunks[-2:]

    def each_pair(name: str, function: Callable[..., np.ndarray], dtype: np.dtype, **given: Any) -> da.Array:
        images = {c: blocks(f"{name}-{p[0]}-{p[1]}", scene, function, dtype, pair=p, **given) for p, c in cells.items()}
        keys = {c: (i.name,) for c, i in images.items()}
        return cube(f"{name}-{tokenize(images, shape)}", keys, shape, chunks, dtype, list(images.values()))

    parts, needs = _sights(scene, around, list(cells), processing, (chunks[0][0], chunks[1][0]))
    seen = _seen(parts, movers, list(cells.values()), shape)
    states = {
        cell: blocks(f"target-{pair[0]}-{pair[1]}", scene, _target, np.dtype(np.uint8), needs, number=k, pair=pair)
        for k, (pair, cell) in enumerate(cells.items())
    }
    target = cube(
        f"target-{tokenize(states, shape)}", {c: (a.name,) for c, a in states.items()}, shape, chunks,
        np.dtype(np.uint8), list(states.values()),
    )  # fmt: skip
    images = {
        "label": (blocks("label", scene, _label, np.dtype(np.int32), numbers=numbers), "1",
                  "number of the moving slope, 0 where stable"),
        "los_rate": (blocks("rate", scene, _rate, np.dtype(np.float32)), "m/yr", "mean speed toward the satellite"),
        "look_alike": (blocks("look-alike", scene, _look_alike, np.dtype(np.uint8)), "1",
                       "what looks like a moving slope and is none: " + ", ".join(
                           f"{k} {name}" for k, name in enumerate(CLASSES))),
    }  # fmt: skip
    each = {
        "kind": (np.array([m.kind for m in movers], "U12"), "1", "what it is"),
        "confidence": (np.array([m.confidence for m in movers], np.float32), "1", "of whoever says what it is"),
        "speed": (np.array([m.speed for m in movers], np.float32), "m/yr", "mean speed of the core down the slope"),
        "peak_rate": (np.array([abs(_view(scene, m)) * m.speed for m in movers], np.float32), "m/yr",
                      "largest absolute speed along the line of sight"),
    }  # fmt: skip
    data: dict[str, tuple[Any, ...]] = {
        name: (SPACE, array, {"units": unit, "long_name": what}) for name, (array, unit, what) in images.items()
    }
    data |= {name: ("mover", array, {"units": unit, "long_name": what}) for name, (array, unit, what) in each.items()}
    data["visible"] = ((*CELLS, "mover"), seen[..., 0] > 0, {"long_name": "the interferogram shows the mover"})
    data["peak_phase"] = (
        (*CELLS, "mover"), seen[..., 1],
        {"units": "rad", "long_name": "phase of the core against the ground about it"},
    )  # fmt: skip
    there = stack["valid"].values[..., None, None]
    data["target"] = (DIMS, da.where(there, target, np.uint8(MISSING)), {"long_name": "state of the pixel"})
    for name, what in PARTS.items():
        part = "look_alike" if name == "look_alike_phase" else name
        array = each_pair(name, _part, np.dtype(np.float32), part=part)
        data[name] = (DIMS, array, {"units": "rad", "long_name": what})
    return xr.Dataset(
        data,
        {
            "date": stack["date"], "delay": stack["delay"], "y": stack["y"], "x": stack["x"],
            "spatial_ref": stack["spatial_ref"], "mover": np.arange(1, len(movers) + 1),
        },
    )  # fmt: skip


def _on_pixels(scene: Scene, movers: Sequence[Mover]) -> list[Mover]:
    """Those that lie on some pixel."""
    whole = scene.ground_of(Window(0, 0, *scene.shape))
    half, n, found = scene.refine // 2, scene.refine, []
    for mover in movers:
        part = mover.window(scene.spacing).shared(whole)
        if part is not None:
            label = Bodies.draw(part, (mover,), scene.spacing).label
            if label[(half - part.y0) % n :: n, (half - part.x0) % n :: n].any():
                found.append(mover)
    return found


def _view(scene: Scene, mover: Mover) -> float:
    """Motion toward the satellite for motion down the slope, at a mover's middle."""
    middle = mover.south / scene.spacing - 0.5, mover.east / scene.spacing - 0.5
    look = scene.radar.viewing.line_of_sight(*middle, mover.height)
    return float(sum(d * u for d, u in zip(mover.direction, look, strict=True)))


def _sights(
    scene: Scene, movers: Sequence[Mover], pairs: list[tuple[int, int]], processing: Processing, block: tuple[int, int]
) -> tuple[list[Delayed], dict[tuple[int, int], list[Delayed]]]:
    """What pairs show of movers, those of a block together, lazily; and which of these each block's movers need.

    `block` is the size of all blocks but the last ones, pixels.
    """
    cells = [n * scene.refine for n in block]
    last = [(n - 1) // size for n, size in zip(scene.shape, block, strict=True)]

    def within(number: int, axis: int) -> int:
        return min(max(number // cells[axis], 0), last[axis])

    groups: dict[tuple[int, int], list[Mover]] = {}
    for mover in movers:
        row, col = (int(v // scene.spacing) for v in (mover.south, mover.east))
        groups.setdefault((within(row, 0), within(col, 1)), []).append(mover)
    look = delayed(sights, pure=True)
    needs: dict[tuple[int, int], list[Delayed]] = {}
    parts = []
    for group in groups.values():
        parts.append(look(scene, tuple(group), pairs, processing))
        touched = {
            (i, j)
            for w in (m.window(scene.spacing) for m in group)
            for i in range(within(w.y0, 0), within(w.y1 - 1, 0) + 1)
            for j in range(within(w.x0, 1), within(w.x1 - 1, 1) + 1)
        }
        for place in touched:
            needs.setdefault(place, []).append(parts[-1])
    return parts, needs


def _seen(parts: list[Delayed], movers: list[Mover], cells: list[tuple[int, int]], shape: tuple[int, int]) -> da.Array:
    """Lazy float32 ``(date, delay, mover, 2)``: whether it is visible, and its phase."""
    wanted = (*shape, len(movers), 2)
    if not movers:
        none: da.Array = da.from_array(np.zeros(wanted, np.float32))
        return none
    table = delayed(_table, pure=True)(parts, [m.id for m in movers], cells, wanted)
    seen: da.Array = da.from_delayed(table, wanted, np.float32)
    return seen


def _table(
    parts: list[list[dict[int, Sight]]], ids: list[int], cells: list[tuple[int, int]], shape: tuple[int, ...]
) -> np.ndarray:
    out = np.zeros(shape, np.float32)
    out[..., 1] = np.nan
    for k, cell in enumerate(cells):
        seen = {number: sight for part in parts for number, sight in part[k].items()}
        out[cell] = [(seen[number].state == "visible", seen[number].peak) for number in ids]
    return out


def _middles(scene: Scene, values: np.ndarray) -> np.ndarray:
    half, n = scene.refine // 2, scene.refine
    return np.ascontiguousarray(values[half::n, half::n])


def _label(scene: Scene, pixels: Window, numbers: Mapping[int, int]) -> np.ndarray:
    bodies = scene.slides.bodies(scene.ground_of(pixels))
    table = np.array([0, *(numbers.get(m.id, 0) for m in bodies.movers)], np.int32)
    return _middles(scene, table[bodies.label])


def _rate(scene: Scene, pixels: Window) -> np.ndarray:
    ground = scene.ground_of(pixels)
    bodies = scene.slides.bodies(ground)
    # Over the first year progress is the year itself.
    year = bodies.displacement(DAYS_PER_YEAR, *scene.look(ground, scene.relief.height(ground)))
    return _middles(scene, year)


def _look_alike(scene: Scene, pixels: Window) -> np.ndarray:
    return _middles(scene, scene.look_alikes.at(scene.ground_of(pixels), scene.relief))


def _target(
    scene: Scene, pixels: Window, *seen: list[dict[int, Sight]], number: int, pair: tuple[int, int]
) -> np.ndarray:
    every = {key: sight for part in seen for key, sight in part[number].items()}
    return np.asarray(targets(scene, [pair], pixels, [every])[0])


def _part(scene: Scene, pixels: Window, pair: tuple[int, int], part: str) -> np.ndarray:
    ground = scene.ground_of(pixels)
    height, bodies = scene.relief.height(ground), scene.slides.bodies(ground)
    look = scene.look(ground, height)
    first, second = (scene.phases(number, ground, height, bodies, look, [part])[part] for number in pair)
    return _middles(scene, second - first)
