"""A simulated region on disk, with its truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dask
import xarray as xr

from insarflow.inventory import write_inventory
from insarflow.inventory.truth import TRUTH, true_movers
from insarflow.ops.overlap import thread_count
from insarflow.ops.recipe import apply_recipe, read_recipe
from insarflow.schema import SPACE, describe
from insarflow.simulate.scene import Direction
from insarflow.simulate.stack import simulate_stack
from insarflow.stack.dem import VOIDS
from insarflow.stack.export.geotiff import write_geotiff
from insarflow.stack.georeference import georeference
from insarflow.stack.mosaic import lazy_raster
from insarflow.stack.raster import read_header
from insarflow.stack.store import write_stack
from insarflow.types import DelayLike
from insarflow.workflows.outputs import new_folder
from insarflow.workflows.stage import Stage, quiet

RESULTS: Final = ("stack.zarr", "truth.gpkg", "truth_rate.tif")


@dataclass(frozen=True)
class SimulatedRegion:
    """What `simulate_region` wrote.

    Attributes
    ----------
    interferograms
        In the stack.
    movers
        Moving slopes; fewer than wanted where there is no room.
    visible
        Those of them that some interferogram shows (see `insarflow.simulate_stack`).
    """

    interferograms: int
    movers: int
    visible: int


def simulate_region(
    out: Path,
    *,
    shape: tuple[int, int] = (512, 512),
    seed: int = 0,
    acquisitions: int = 8,
    delays: Sequence[DelayLike] = (6, 12, 18),
    movers: int = 40,
    pixel_size: float = 20.0,
    start: str = "20210703",
    processing: str = "unfiltered",
    direction: Direction = "ascending",
    dem: str | Path | None = None,
    recipe: str | Path | None = None,
    overwrite: bool = False,
    stage: Stage = quiet,
) -> SimulatedRegion:
    """Simulate a region and write it: ``stack.zarr``, ``truth.gpkg`` (the movers) and ``truth_rate.tif`` (m/yr).

    Parameters
    ----------
    out
        Folder for the three; they appear all or none.
    shape, seed, acquisitions, delays, movers, pixel_size, start, processing, direction
        As `insarflow.simulate_stack`.
    dem
        GeoTIFF of heights, m, on square pixels in metres: the terrain, and the grid of the result; `shape` and
        `pixel_size` are not looked at.
    recipe
        JSON file of steps to apply to the stack; see `insarflow.ops.recipe.read_recipe`. The truth stays as it is.
    overwrite
        Replace results that are already there.
    stage
        Shows progress.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    InsarError
        If the recipe, the DEM or the output is no good.

    Notes
    -----
    Each block of the stack is simulated when it is written, so memory does not grow with the region but for two images.
    """
    steps = None if recipe is None else read_recipe(recipe)
    terrain = None if dem is None else _heights(Path(dem))
    with new_folder(out, RESULTS, overwrite=overwrite) as folder, _threads_that_end():
        ds, truth = simulate_stack(
            shape, seed=seed, acquisitions=acquisitions, delays=delays, movers=movers, pixel_size=pixel_size,
            start=start, processing=processing, direction=direction, dem=terrain,
        )  # fmt: skip
        if steps is not None:
            ds = apply_recipe(ds, steps)
        with stage("simulating"):
            write_stack(ds, folder / "stack.zarr")
        with stage("truth"):
            # Once, or each use would simulate it anew.
            truth = truth[[*TRUTH]].load()
        write_geotiff({folder / "truth_rate.tif": truth["los_rate"]})
        polygons = true_movers(truth)
        polygons.attrs = {
            "peak_rate_m_yr": "along the line of sight, positive toward the satellite",
            "speed_m_yr": "of the core, down the slope",
        }
        write_inventory(polygons, folder / "truth.gpkg", layer="movers")
    visible = int((polygons["visible_pairs"] > 0).sum())
    return SimulatedRegion(int(ds["valid"].sum()), len(polygons), visible)


@contextmanager
def _threads_that_end() -> Iterator[None]:
    """Work in threads that have ended before the folder goes: a block takes seconds, and is written whoever waits."""
    with ThreadPoolExecutor(thread_count()) as pool, dask.config.set(pool=pool):
        yield


def _heights(path: Path) -> xr.DataArray:
    """Heights of a GeoTIFF; NaN where it has none."""
    raster = read_header(path)
    image = describe(xr.DataArray(lazy_raster(raster), dims=SPACE), "dem")
    heights = georeference(xr.Dataset({"dem": image}), raster.grid)["dem"]
    return heights.where(~heights.isin(VOIDS))
