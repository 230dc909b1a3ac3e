"""What work needs: tasks, memory, disk, time. Measured on a sample, the rest by formulas fitted to measured runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.base import optimize
from dask.system import CPU_COUNT

from insarflow.errors import SelectionError
from insarflow.schema import DIMS, SPACE, VARIABLES
from insarflow.stack.assemble import valid_cells
from insarflow.stack.codes import Encoding, Kind
from insarflow.stack.layout import shard_size
from insarflow.stack.location import Folder
from insarflow.stack.part import Index, take
from insarflow.stack.store import write_stack
from insarflow.stack.write import lazy_writes
from insarflow.types import Window
from insarflow.workflows.measure import Pace, folder_size, pace, stored_size
from insarflow.workflows.sample import Sample, filled, largest_block

NOWHERE: Final = Folder(Path(os.devnull) / "nowhere")
"""Folder of a store that is laid out and not written."""

_LIBRARIES: Final = 40_000_000


@dataclass(frozen=True)
class Needs:
    """What work needs.

    Attributes
    ----------
    tasks
        Of the graph that dask will run.
    disk
        Bytes of the results.
    memory
        Peak bytes of this process, by number of workers.
    seconds
        By number of workers.
    """

    tasks: int
    disk: int
    memory: Callable[[int], int]
    seconds: Callable[[int], float]


def build_needs(ds: xr.Dataset, sample: Sample, base: int, *, exact: bool = False, coherence: Kind = "uint8") -> Needs:
    """What `insarflow.build_stack` needs in a process that held `base` bytes before it began."""
    written = written_stack(ds, sample.window, sample.known, exact=exact, coherence=coherence)
    try:
        work, here = _one_shard(ds, written.once, exact=exact, coherence=coherence)
    except SelectionError:  # of a bbox or aoi that leaves nothing of it
        work, here = written.pace, shard_pixels(ds)
    pixels = stack_pixels(ds)
    block = max(shard_pixels(ds), int(np.prod(largest_block(ds))))

    def memory(workers: int) -> int:
        return int(base + _LIBRARIES + (30 + 18 * workers) * block)

    def seconds(workers: int) -> float:
        return written.once + work.seconds(pixels / here, min(workers, cpus()))

    return Needs(count_writes(ds), written.disk, memory, seconds)


@dataclass(frozen=True)
class Written:
    """What it takes to write a stack.

    Attributes
    ----------
    pace
        Of writing the sample.
    pixel
        Time to write a pixel of an interferogram, s.
    once
        Time that a store takes once, however large, s.
    disk
        Bytes of the whole store.
    """

    pace: Pace
    pixel: float
    once: float
    disk: int


def written_stack(
    ds: xr.Dataset,
    window: xr.Dataset,
    known: float,
    *,
    exact: bool = False,
    coherence: Kind = "uint8",
    encoding: Encoding = "float32",
    workers: int = 1,
) -> Written:
    """What it takes to write `ds`, tried on a window of it that is in memory, by as many workers at the same time.

    Probabilities are kept as `encoding` says.
    """
    whole = _repeated(window, ds)
    with tempfile.TemporaryDirectory() as folder, dask.config.set(scheduler="sync"):

        def write(part: xr.Dataset, number: int) -> Path:
            out = Path(folder) / f"{number}.zarr"
            write_stack(part, out, exact=exact, coherence=coherence, probability=encoding, overwrite=True)
            return out

        # Four pixels take what a store takes once, however large.
        once, _ = pace(partial(write, filled(window.isel(y=[0, 1], x=[0, 1]))), workers)
        every, _ = pace(partial(write, whole), workers)
        path = Path(folder) / "0.zarr"
        sizes = {n: stored_size(path, n) for n in VARIABLES if n in window}
        rest = folder_size(path) - sum(sizes.values())
    here = whole.sizes["y"] * whole.sizes["x"]
    pairs = sum(size for name, size in sizes.items() if VARIABLES[name].dims == DIMS) / here
    static = sum(size for name, size in sizes.items() if VARIABLES[name].dims == SPACE) / here
    disk = int(rest + pairs * known * stack_pixels(ds) + static * ds.sizes["y"] * ds.sizes["x"])
    work = every.without(once)
    return Written(work, work.alone / here, once.alone, disk)


def _repeated(window: xr.Dataset, ds: xr.Dataset) -> xr.Dataset:
    """A window of `ds` repeated to a whole shard: a part of one takes more time per pixel."""
    sizes = {dim: min(shard_size(ds.sizes[dim])[0], ds.sizes[dim]) for dim in SPACE}
    again = window.isel({dim: np.arange(size) % window.sizes[dim] for dim, size in sizes.items()})
    return again.assign_coords({dim: (dim, ds[dim].values[:size], ds[dim].attrs) for dim, size in sizes.items()})


def _one_shard(ds: xr.Dataset, once: float, *, exact: bool, coherence: Kind) -> tuple[Pace, int]:
    """Time of reading and writing a shard of an interferogram in the middle of the stack, and its pixels."""
    cells = np.argwhere(valid_cells(ds))
    i, j = (int(k) for k in cells[len(cells) // 2])
    sizes = [ds.sizes[dim] for dim in SPACE]
    shards = [shard_size(size)[0] for size in sizes]
    first = [(size // 2) // shard * shard for size, shard in zip(sizes, shards, strict=True)]
    rows, cols = (min(shard, size - at) for shard, size, at in zip(shards, sizes, first, strict=True))
    one: dict[str, Index] = {"date": slice(i, i + 1), "delay": slice(j, j + 1)}
    images = ds[[name for name in VARIABLES if name in ds and VARIABLES[name].dims == DIMS]]
    part = take(images, one, Window(first[0], first[1], rows, cols))
    with tempfile.TemporaryDirectory() as folder, dask.config.set(scheduler="sync"):

        def write(number: int) -> Path:
            out = Path(folder) / f"{number}.zarr"
            return Path(write_stack(part, out, exact=exact, coherence=coherence, overwrite=True))

        work, _ = pace(write, cpus())
    return work.without(Pace(once, once, work.number)), rows * cols


def count_writes(ds: xr.Dataset) -> int:
    """Tasks of `insarflow.write_stack`."""
    static, _, counts = lazy_writes(ds, NOWHERE, {})
    return count_tasks([*static, counts])


def count_tasks(arrays: Sequence[da.Array]) -> int:
    """Tasks that dask runs for all of `arrays` together."""
    graph: set[object] = set()
    for array in optimize(*arrays):
        graph.update(array.__dask_graph__())
    # An array of several blocks is put together by one more task.
    return len(graph) + sum(1 for array in arrays if array.npartitions > 1)


def stack_pixels(ds: xr.Dataset) -> int:
    """Pixels of all existing interferograms."""
    return int(valid_cells(ds).sum()) * ds.sizes["y"] * ds.sizes["x"]


def shard_pixels(ds: xr.Dataset) -> int:
    """Pixels that one task of `insarflow.write_stack` writes."""
    return shard_size(ds.sizes["y"])[0] * shard_size(ds.sizes["x"])[0]


def cpus() -> int:
    """Cores that this process may use."""
    return int(CPU_COUNT)
