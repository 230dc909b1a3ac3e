"""Graphs: what a large, mostly empty stack costs before anything is computed.

300 dates by 60 delays with 1,500 pairs, in blocks of 2048, of ``--size`` squared pixels; and 54 pairs of 10,000 squared
for operations of two inputs. Nothing is read: the stores hold no pixel.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dask.array as da
import numpy as np
import xarray as xr

import insarflow
from insarflow.kernels import goldstein as kernel
from insarflow.ops.presets import PRESETS
from insarflow.stack.layout import put_cells
from insarflow.stack.location import Folder
from insarflow.workflows.needs import count_tasks, count_writes

T = TypeVar("T")

WKT = 'LOCAL_CS["made up",UNIT["metre",1]]'


@dataclass(frozen=True)
class Graph:
    """Seconds to make and optimise a graph, and its tasks."""

    name: str
    seconds: float
    tasks: int
    blocks: int
    """Of the result, those of existing pairs."""


def measure(size: int, *, dates: int = 300, delays: int = 60, pairs: int = 1500, two: int = 54) -> list[Graph]:
    """Open, plan and lay out.

    Parameters
    ----------
    size
        Side of the images, pixels; that of the two-input operations is 10,000 / 4096 times as large.
    dates, delays, pairs
        Of the large stack.
    two
        Pairs of the two-input operations.
    """
    with tempfile.TemporaryDirectory() as folder:
        large = _empty_store(Path(folder) / "large.zarr", size, dates, delays, pairs)
        side = round(size * 10_000 / 4096)
        small, other = (_empty_store(Path(folder) / f"{k}.zarr", side, two, 1, two) for k in ("one", "other"))
        return [*_large(large, pairs), *_two_inputs(small, other, two)]


def _large(path: Path, pairs: int) -> list[Graph]:
    seconds, ds = _timed(lambda: insarflow.open_stack(path))
    blocks = pairs * int(np.prod(ds["igram"].data.numblocks[2:]))
    rows = [Graph("open", seconds, 0, blocks)]
    one = ds[["igram", "valid"]]
    seconds, tasks = _timed(lambda: count_tasks([insarflow.goldstein(one)["igram"].data]))
    rows.append(Graph("goldstein, all cells of the cube", seconds, tasks, blocks))
    seconds, tasks = _timed(lambda: count_tasks([one.insar.to_pairs().pipe(insarflow.goldstein)["igram"].data]))
    rows.append(Graph("goldstein, its pairs", seconds, tasks, blocks))
    seconds, tasks = _timed(lambda: count_writes(insarflow.goldstein(one)))
    rows.append(Graph("goldstein, written", seconds, tasks, blocks))
    seconds, tasks = _timed(lambda: count_tasks([_by_dask(ds["igram"])]))
    rows.append(Graph("goldstein, dask's map_overlap", seconds, tasks, blocks))
    return rows


def _two_inputs(path: Path, other_path: Path, pairs: int) -> list[Graph]:
    ds = insarflow.open_stack(path)
    blocks = pairs * int(np.prod(ds["igram"].data.numblocks[2:]))
    # Another image, of which nothing but its graph is looked at.
    other = insarflow.open_stack(other_path)["igram"]
    works: dict[str, Callable[[], xr.DataArray]] = {
        "goldstein baran03": lambda: insarflow.goldstein(ds, preset="baran03")["igram"],
        "coherence of two images": lambda: insarflow.coherence(ds["igram"], other, window=5),
    }
    rows = []
    for name, work in works.items():
        seconds, tasks = _timed(lambda work=work: count_tasks([work().data]))  # type: ignore[misc]
        rows.append(Graph(f"{pairs} pairs, {name}", seconds, tasks, blocks))
    return rows


def _by_dask(igram: xr.DataArray) -> da.Array:
    """What dask makes of a filter of the whole cube by itself."""
    settings = PRESETS["default"]

    def block(window: np.ndarray) -> np.ndarray:
        return kernel.goldstein(window, patch_size=settings.patch_size, step=settings.step, alpha=0.5)

    source = da.from_array(_Nothing(igram.shape), chunks=igram.chunks, name="nothing", asarray=False, fancy=False)
    lazy: da.Array = da.map_overlap(block, source, depth={2: 32, 3: 32}, boundary="none", dtype="complex64")
    return lazy


class _Nothing:
    """An array that nobody reads."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.dtype, self.ndim = shape, np.dtype("complex64"), len(shape)

    def __getitem__(self, index: object) -> np.ndarray:
        raise NotImplementedError


def _empty_store(path: Path, size: int, dates: int, delays: int, pairs: int) -> Path:
    grid = insarflow.Grid((0.0, 10.0, 0.0, 0.0, 0.0, -10.0), (size, size), WKT)
    days = np.datetime64("2015-01-01") + 6 * np.arange(dates) * np.timedelta64(1, "D")
    insarflow.create_stack(path, list(days), [6 * (k + 1) for k in range(delays)], grid)
    valid = np.zeros((dates, delays), bool)
    valid[:, : -(-pairs // dates)] = True
    valid.ravel()[np.flatnonzero(valid)[pairs:]] = False
    put_cells(Folder(path), "valid", valid)
    return path


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    gc.collect()
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result
