"""Interferograms of a simulated region: single-look images, processed and taken to the map as a real pair's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from insarflow.kernels.places import extent, move_and_brighten
from insarflow.kernels.single_look import MARGIN, single_looks
from insarflow.simulate.cubic import MARGIN as AROUND
from insarflow.simulate.cubic import convolved
from insarflow.simulate.processing import Processing, process, reads
from insarflow.simulate.scene import Scene
from insarflow.types import Window

PAIR = np.dtype([("igram", np.complex64), ("coherence", np.float32)])


def single_look_images(scene: Scene, numbers: Sequence[int], radar: Window) -> np.ndarray:
    """Single-look images of some acquisitions.

    Parameters
    ----------
    numbers
        Of the acquisitions.
    radar
        Lines and samples wanted; the same bits for any window and any set of acquisitions.

    Returns
    -------
    ndarray
        complex64, shape ``(len(numbers), radar.height, radar.width)``.
    """
    wide = Window(radar.y0 - MARGIN, radar.x0 - MARGIN, radar.height + 2 * MARGIN, radar.width + 2 * MARGIN)
    around = scene.radar.ground_window(wide)
    row, col, weight = scene.radar.crossings(wide, scene.relief.height(around))
    y0, x0, y1, x1 = extent(row, col, weight)
    ground = Window(around.y0 + y0, around.x0 + x0, y1 - y0, x1 - x0)
    height = scene.relief.height(ground)
    bodies, look = scene.slides.bodies(ground), scene.look(ground, height)
    surface = scene.surface(ground, bodies)
    move_and_brighten(row, col, weight, origin=(y0, x0), backscatter=surface.backscatter)
    phases = [sum_of(scene.phases(number, ground, height, bodies, look)) for number in numbers]
    quality = [scene.quality(number, ground, height) for number in numbers]
    return single_looks(
        numbers, row=row, col=col, weight=weight, first=surface.first, floor=surface.floor,
        decay_days=surface.decay_days, phase=np.stack(phases), quality=np.stack(quality),
        repeat_days=scene.repeat_days, window=radar, seed=scene.noise_seed, subswath=scene.subswath,
    )  # fmt: skip


def sum_of(parts: dict[str, np.ndarray]) -> np.ndarray:
    """All parts of a range phase, in one order."""
    first, *others = parts.values()
    total = first.copy()
    for part in others:
        total += part
    return total


def observe(scene: Scene, pairs: Sequence[tuple[int, int]], pixels: Window, processing: Processing) -> np.ndarray:
    """Interferograms of a window, with their coherence.

    Parameters
    ----------
    pairs
        Acquisitions (earlier, later).
    pixels
        Window of the map.

    Returns
    -------
    ndarray
        Structured, ``igram`` complex64 and ``coherence`` float32, shape ``(len(pairs), *pixels.shape)``; the same bits
        for any window and any set of pairs.
    """
    rows, cols = scene.middles(pixels)
    ground = scene.ground_of(pixels)
    half = scene.refine // 2
    height = scene.relief.height(ground)[half :: scene.refine, half :: scene.refine]
    line, sample = scene.radar.position(rows, cols, height)
    looks = processing.looks
    y, x = (line + 0.5) / looks.y - 0.5, (sample + 0.5) / looks.x - 0.5
    cells = _cells(y, x, margin=AROUND if processing.resampling == "cubic" else 0)
    numbers = sorted({n for pair in pairs for n in pair})
    images = single_look_images(scene, numbers, reads(scene.radar.shape, cells, processing).images)
    out = np.empty((len(pairs), *pixels.shape), PAIR)
    for k, pair in enumerate(pairs):
        one, other = (images[numbers.index(n)] for n in pair)
        igram, gamma = process(one, other, scene.radar.shape, cells, processing)
        place = y - cells.y0, x - cells.x0
        if processing.resampling == "cubic":
            out["igram"][k], out["coherence"][k] = convolved(igram, *place), np.clip(convolved(gamma, *place), 0, 1)
            continue
        if processing.resampling == "nearest":
            out["igram"][k] = igram[_nearest(y) - cells.y0, _nearest(x) - cells.x0]
        else:
            out["igram"][k] = _between(igram, *place)
        out["coherence"][k] = _between(gamma, *place)
    if not processing.magnitude:
        _to_unit(out["igram"])
    return out


def _nearest(places: np.ndarray) -> np.ndarray:
    """Whole numbers; halves go up wherever a window begins, which rounding to even numbers would not do."""
    return np.asarray(np.floor(places + places.dtype.type(0.5)).astype(np.intp))


def _cells(y: np.ndarray, x: np.ndarray, margin: int) -> Window:
    """Cells around places, for interpolation between two along each axis, and so many more on both sides."""
    y0, x0 = int(np.floor(y.min())) - margin, int(np.floor(x.min())) - margin
    y1, x1 = int(np.floor(y.max())) + 2 + margin, int(np.floor(x.max())) + 2 + margin
    return Window(y0, x0, y1 - y0, x1 - x0)


def _between(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values interpolated bilinearly; real and imaginary part alone, whose products NumPy would fuse in some lanes."""
    if np.iscomplexobj(values):
        out = np.empty(y.shape, np.complex64)
        out.real, out.imag = _between(values.real, y, x), _between(values.imag, y, x)
        return out
    i, j = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    down, right = (y - i).astype(np.float32), (x - j).astype(np.float32)
    upper = values[i, j] * (1 - right) + values[i, j + 1] * right
    lower = values[i + 1, j] * (1 - right) + values[i + 1, j + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def _to_unit(igram: np.ndarray) -> None:
    """Take the magnitude away, in place; 0 stays."""
    real, imag = igram.real, igram.imag
    size = np.sqrt(real * real + imag * imag)
    size[size == 0] = 1
    igram.real, igram.imag = real / size, imag / size
