"""Training patches out of a store, beside the plain read limit and the ways of others."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
import zarr
from affine import Affine
from torch.utils.data import DataLoader

from benchmarks.streaming import stack
from insarflow.learn.patches import PatchDataset
from insarflow.learn.samples import Samples, collate

SIDE = 128
"""Of a patch, pixels."""

BATCH = 32
"""Patches of a batch."""

WORKERS = 2
"""Processes that load, beside none."""


@dataclass(frozen=True)
class Rate:
    """Patches a second, of one way to get them.

    Attributes
    ----------
    name
        The way.
    patches
        A second, best of some interleaved runs.
    ratio
        Over the plain read limit: the same windows of both arrays of the store read with zarr alone, one by one, and
        thrown away.
    """

    name: str
    patches: float
    ratio: float


def rates(size: int, runs: int, only: str = "") -> Iterator[Rate]:
    """Measure patches at drawn places of three interferograms of `size` pixels a side."""
    side = min(SIDE, size // 2)
    count = 8 * BATCH if size >= 1024 else 8
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stack.zarr"
        ds = stack(path, size)
        still = xr.DataArray(np.zeros((size, size), np.uint8), dims=("y", "x"))
        made = {
            name: PatchDataset(ds, still, patch=side, count=count, least_valid=None, memory=memory)
            for name, memory in (("", 0), ("in memory, ", 2**34))
        }
        cases: dict[str, Callable[[], object]] = {LIMIT: _plain(path, made[""])}
        for kind, patches in made.items():
            for workers in (0, WORKERS):
                cases[f"PatchDataset, {kind}{workers} workers"] = _loaded(patches, workers)
        cases["xarray, isel and load"] = _isel(path, made[""])
        cases["GeoTIFF crops, rasterio"] = _crops(Path(folder) / "crops", path, made[""])
        best = _interleaved({name: call for name, call in cases.items() if only in name or name == LIMIT}, runs)
        for name, seconds in best.items():
            yield Rate(name, count / seconds, best[LIMIT] / seconds)


LIMIT = "zarr alone, the read limit"

Place = tuple[int, int, slice, slice]


def _places(patches: PatchDataset) -> list[Place]:
    return [
        (*patches.cells[row.pair][1], slice(row.y, row.y + row.height), slice(row.x, row.x + row.width))
        for row in patches.index.itertuples()
    ]


def _plain(path: Path, patches: PatchDataset) -> Callable[[], None]:
    arrays = [zarr.open_array(path / name, mode="r") for name in ("phase", "coherence")]
    places = _places(patches)

    def read() -> None:
        for place in places:
            for array in arrays:
                array[place]

    return read


def _loaded(patches: PatchDataset, workers: int) -> Callable[[], None]:
    loader = DataLoader(
        Samples(patches, 3), BATCH, collate_fn=collate, num_workers=workers, persistent_workers=workers > 0
    )

    def read() -> None:
        for _ in loader:
            pass

    return read


def _isel(path: Path, patches: PatchDataset) -> Callable[[], None]:
    ds = xr.open_zarr(path, chunks=None, decode_timedelta=True)
    places = _places(patches)

    def read() -> None:
        for date, delay, y, x in places:
            one = ds[["phase", "coherence"]].isel(date=date, delay=delay, y=y, x=x).load()
            _channels(one["phase"].values, one["coherence"].values)

    return read


def _crops(folder: Path, path: Path, patches: PatchDataset) -> Callable[[], None]:
    """Patches that were cut out before, phase and coherence in a file each, as published data sets have them."""
    folder.mkdir()
    ds = xr.open_zarr(path, chunks=None, decode_timedelta=True)
    files = []
    for k, (date, delay, y, x) in enumerate(_places(patches)):
        one = ds[["phase", "coherence"]].isel(date=date, delay=delay, y=y, x=x).load()
        for name in ("phase", "coherence"):
            image = one[name].values.astype(np.float32)
            files.append(folder / f"{k}_{name}.tif")
            with rasterio.open(
                files[-1], "w", driver="GTiff", dtype="float32", count=1, height=image.shape[0], width=image.shape[1],
                crs="EPSG:32632", transform=Affine(20, 0, 5e5, 0, -20, 5e6),
            ) as target:  # fmt: skip
                target.write(image, 1)

    def read() -> None:
        for phase, coherence in zip(files[::2], files[1::2], strict=True):
            images = []
            for file in (phase, coherence):
                with rasterio.open(file) as source:
                    images.append(source.read(1))
            _channels(*images)

    return read


def _channels(phase: np.ndarray, coherence: np.ndarray) -> np.ndarray:
    return np.stack([coherence, np.cos(phase), np.sin(phase)]).astype(np.float32)


def _interleaved(cases: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Seconds of each, best of `runs`, in turn; the first round does not count."""
    best = dict.fromkeys(cases, math.inf)
    for k in range(runs + 1):
        for name, call in cases.items():
            start = time.perf_counter()
            call()
            if k:
                best[name] = min(best[name], time.perf_counter() - start)
    return best
