"""What running a model over a stack needs."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from insarflow.errors import RecipeWarning
from insarflow.inventory import summarise
from insarflow.learn.models.sizes import sizes_of
from insarflow.learn.weights import load_card
from insarflow.segment import segment
from insarflow.segment.device import runs_on_gpu
from insarflow.segment.stream import Stream
from insarflow.segment.windows import round_up, tile_shape
from insarflow.stack.blocks import BlockStore
from insarflow.stack.export.geotiff import write_geotiff
from insarflow.stack.layout import shard_size
from insarflow.workflows.lazy_map import RASTERS, LazyMap
from insarflow.workflows.needs import (
    NOWHERE,
    Needs,
    count_tasks,
    cpus,
    shard_pixels,
    stack_pixels,
    written_stack,
)
from insarflow.workflows.prepare import prepare, steps_before
from insarflow.workflows.run import MapRun
from insarflow.workflows.sample import Sample, timed
from insarflow.workflows.segment import tile_size
from insarflow.workflows.selection import Running

_POLYGONS: Final = 120_000
"""Bytes of an inventory of usual size."""

_LIBRARIES: Final = 130_000_000
"""Bytes of what is loaded or cached while working: model, compiled loops, threads."""

_AT_ONCE: Final = 8.4
"""Layers' outputs that are held at the same time, in sizes of the largest: ResUNet's, 400 bytes a pixel of a tile."""

_KEPT_TILE: Final = 724**2
"""Tiles of fewer pixels have layers so small that the C library keeps their memory for the thread that used it."""

_COUNTED: Final = 8
"""Blocks whose tasks are counted."""


class _Trial:
    """The stages of the real work on a sample, timed: s per pixel of an interferogram of the source."""

    def __init__(
        self, sample: Sample, model: str | Path, recipe: str | Path, device: str | None, running: Running | None = None
    ) -> None:
        how = running or Running()
        trained, window = load_card(model).recipe, sample.window
        self.pixels = window.sizes["y"] * window.sizes["x"]
        with warnings.catch_warnings():
            # Laying out the real work has warned already.
            warnings.simplefilter("ignore", RecipeWarning)
            small, _ = prepare(window.isel(y=slice(128), x=slice(128)), trained, recipe)

            def predict(ds: xr.Dataset) -> xr.Dataset:
                return segment(
                    ds, model, device=device, precision=how.get("precision", "exact"), mode=how.get("mode"),
                    patch=how.get("patch"), offsets=how.get("offsets", 1),
                )  # fmt: skip

            predict(small)
            filtering, (prepared, _) = timed(lambda: prepare(window, trained, recipe))
            predicting, self.out = timed(lambda: predict(prepared))
        self.filter, self.predict = filtering / self.pixels, predicting / self.pixels


def segment_needs(
    ds: xr.Dataset,
    stream: Stream,
    sample: Sample,
    base: int,
    *,
    model: str | Path,
    recipe: str | Path,
    device: str | None,
    running: Running,
) -> Needs:
    """What `insarflow.workflows.segment.segment_source` needs for the source `ds`, to write `stream`.

    `base` is what the process held before it began, bytes.
    """
    trial, out = _Trial(sample, model, recipe, device, running), stream.ds
    kept = trial.out[[str(name) for name in out.data_vars if name in trial.out]]
    written = written_stack(out, kept, sample.known, encoding=stream.encoding)
    # Per pixel of the source, as the others; a recipe may make pixels larger.
    writing = written.pixel * stack_pixels(out) / stack_pixels(ds)
    shard = shard_size(out.sizes["y"])[0], shard_size(out.sizes["x"])[0]
    tile = _tile(shard, out.sizes, model, tile_size(load_card(model)))
    network = _network(tile, model, device)
    steps = len(steps_before(ds, load_card(model).recipe, recipe).steps)

    def memory(workers: int) -> int:
        # A window as it is read and, of those that are processed, on the way; the shard, and what is written of it.
        work = (20 + (50 if steps else 0)) * min(shard_pixels(out), out.sizes["y"] * out.sizes["x"])
        return int(base + _LIBRARIES + network(workers) + workers * work)

    parallel = stack_pixels(ds) * (sample.read + sample.known * trial.filter + writing)
    serial = stack_pixels(ds) * sample.known * trial.predict * tile.overlap
    static, images = stream.writes(NOWHERE)
    return Needs(count_tasks([*static, *images]), written.disk, memory, _seconds(parallel, serial, device))


def map_needs(ds: xr.Dataset, lazy: LazyMap, sample: Sample, base: int, run: MapRun) -> Needs:
    """What `insarflow.workflows.map.map_source` needs for the source `ds`; `base` as in `segment_needs`."""
    trial = _Trial(sample, run.model, run.recipe, run.device)
    folding, small = timed(lambda: summarise(trial.out, threshold=lazy.cut[0], peak=lazy.cut[1]))
    small_area = small.sizes["y"] * small.sizes["x"]
    with tempfile.TemporaryDirectory() as folder:
        files = {Path(folder) / f"{name}.tif": small[name] for name in RASTERS}
        writing, _ = timed(lambda: write_geotiff(files))
        bytes_per_pixel = sum(file.stat().st_size for file in files) / small_area
    area = lazy.summary.sizes["y"] * lazy.summary.sizes["x"]
    store = lazy.blocks(NOWHERE.path)
    tile = _tile(store.largest(), lazy.summary.sizes, run.model, run.tile_size)
    network = _network(tile, run.model, run.device)
    held = _held(lazy, store)

    def memory(workers: int) -> int:
        return int(base + _LIBRARIES + network(workers) + held(workers))

    parallel = stack_pixels(ds) * (sample.read + sample.known * (trial.filter + folding / trial.pixels))
    serial = stack_pixels(ds) * sample.known * trial.predict * tile.overlap
    tasks = _count_tasks(store)
    disk = int(_POLYGONS + area * sample.known * bytes_per_pixel)
    # The rasters are written twice, as blocks and as files.
    return Needs(tasks, disk, memory, _seconds(parallel, serial + 2 * area * writing / small_area, run.device))


def _held(lazy: LazyMap, store: BlockStore) -> Callable[[int], float]:
    """Bytes of images in this process while a map is made, by number of workers."""
    blocks, block = store.count(), int(np.prod(store.largest()))
    area = lazy.summary.sizes["y"] * lazy.summary.sizes["x"]
    if lazy.work is not None:
        # What a worker holds of its window, and what outlines and the picture need of the whole.
        return lambda workers: 440 * block * min(workers, blocks) + 60_000 * area**0.5
    pairs = stack_pixels(lazy.stack) // area
    # Blocks of all pairs wait until their neighbours have used them.
    waiting = 1.1 * (14 * block if blocks == 1 else 10.5 * pairs * blocks * block)
    return lambda workers: waiting + workers * 75 * block


def _count_tasks(store: BlockStore) -> int:
    """Tasks of all graphs that fill `store`: counted for some blocks, if each has a graph of its own."""
    blocks = store.missing()
    if store.alone is None:
        return len(blocks) + count_tasks(list(store.images.values()))
    some = blocks[:: -(-len(blocks) // _COUNTED)]
    counted = sum(1 + count_tasks(store.sources(block)[0]) for block in some)
    return round(counted * len(blocks) / len(some))


@dataclass(frozen=True)
class _Tile:
    """Rows and columns of what the network gives at once, and of what it reads for it."""

    core: tuple[int, int]
    read: tuple[int, int]

    @property
    def overlap(self) -> float:
        """How much more than its output a network reads."""
        return float(np.prod(self.read) / np.prod(self.core))


def _tile(block: tuple[int, int], sizes: Mapping[Hashable, int], model: str | Path, size: int) -> _Tile:
    card = load_card(model)
    halo = round_up(card.reach, card.stride)
    shape = tile_shape(block, tile_size=size, halo=halo, stride=card.stride)
    height, width = (min(side, part) for side, part in zip(block, shape, strict=True))
    return _Tile((height, width), (min(height + 2 * halo, sizes["y"]), min(width + 2 * halo, sizes["x"])))


def _network(tile: _Tile, model: str | Path, device: str | None) -> Callable[[int], float]:
    """Bytes of a network's weights and layers in this process, by number of workers; one predicts at a time."""
    pixels = float(np.prod(tile.read))
    card = load_card(model)
    sizes = sizes_of(card.architecture, len(card.channels), stride=card.stride)
    if runs_on_gpu(device):
        return lambda workers: sizes.weights + 12 * pixels
    layers = _AT_ONCE * sizes.largest * pixels
    return lambda workers: sizes.weights + layers * (workers if pixels < _KEPT_TILE else 1)


def _seconds(parallel: float, serial: float, device: str | None) -> Callable[[int], float]:
    """Time by number of workers: the network keeps all cores busy, or leaves them free if it runs on a GPU."""

    def seconds(workers: int) -> float:
        shared = parallel / min(workers, cpus())
        return max(shared, serial) if runs_on_gpu(device) else shared + serial

    return seconds
