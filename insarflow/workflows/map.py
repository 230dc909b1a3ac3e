"""From interferograms to a map of moving slopes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.inventory import inventory, summarise, write_inventory
from insarflow.learn.weights import load_card
from insarflow.ops.coherence import coherence
from insarflow.ops.goldstein import goldstein
from insarflow.schema import recipe_of, require
from insarflow.segment import segment
from insarflow.stack.export import write_geotiff
from insarflow.stack.raster import lazy_raster, read_header
from insarflow.stack.store import open_stack
from insarflow.types import Recipe
from insarflow.workflows.outputs import new_folder

if TYPE_CHECKING:
    import geopandas as gpd

Stage = Callable[[str], AbstractContextManager[object]]
"""Called with what is being done; what happens inside is shown as progress."""

RASTERS: Final = ("probability", "support")
RESULTS: Final = ("inventory.gpkg", "probability.tif", "support.tif", "map.png")


@dataclass(frozen=True)
class RegionMap:
    """What `map_region` found.

    Attributes
    ----------
    stack
        The filtered stack that the model saw, lazy.
    summary
        ``probability`` and ``support``, ``(y, x)``, lazy, as written.
    polygons
        The inventory.
    threshold
        Probability from which a pixel counts as moving.
    notes
        What was done to the data that a user may not expect, one sentence each.
    """

    stack: xr.Dataset
    summary: xr.Dataset
    polygons: gpd.GeoDataFrame
    threshold: float
    notes: tuple[str, ...]

    def moved(self, folder: Path) -> RegionMap:
        """The same, its files having moved to `folder`."""
        return replace(self, summary=_as_written(self.summary, folder))


def quiet(_: str) -> AbstractContextManager[object]:
    """No progress shown."""
    return nullcontext()


def prepare(ds: xr.Dataset, recipe: Recipe) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Process a stack as a model's training data was: coherence if there is none, the filter if not yet applied.

    Returns
    -------
    Dataset
        Lazy if `ds` is.
    tuple of str
        What was done.

    Raises
    ------
    MissingVariableError
        If there is no ``igram``, or no ``coherence`` and the phase is filtered already.
    """
    require(ds, "igram", to="map")
    notes = []
    if "coherence" not in ds:
        if recipe_of(ds).of("goldstein"):
            raise MissingVariableError(
                "map needs the variable 'coherence' of a filtered stack: estimated from filtered phase it would be "
                "near 1 everywhere; estimate it before the filter, with ds.insar.coherence(window=5)"
            )
        ds = coherence(ds, window=5)
        notes.append("the product has no coherence: estimated from the phase in 5 x 5 windows")
    if not recipe_of(ds).of("goldstein"):
        for step in recipe.of("goldstein"):
            parameters = {name: value for name, value in step.items() if name != "operation"}
            ds = goldstein(ds, **parameters)
            notes.append(
                f"filtered as the model's training data: Goldstein, patch {step['patch_size']}, step {step['step']}, "
                f"alpha {step['alpha']}"
            )
    return ds, tuple(notes)


def map_region(ds: xr.Dataset, folder: Path, *, model: str | Path = "default", stage: Stage = quiet) -> RegionMap:
    """Filter, segment, summarise and outline; write ``inventory.gpkg``, ``probability.tif`` and ``support.tif``.

    Parameters
    ----------
    ds
        A stack; only ``igram`` is needed.
    folder
        Where the files go; they must not exist.
    model
        Name or path of a model.
    stage
        Shows progress.

    Notes
    -----
    The model runs once: probability goes to the raster block by block, polygons are read back from it. Memory is a few
    blocks per worker, whatever the region and the number of interferograms.
    """
    card = load_card(model)
    filtered, notes = prepare(ds, card.recipe)
    summary = summarise(segment(filtered, model), threshold=card.threshold)
    with stage("segmenting"):
        write_geotiff({folder / f"{name}.tif": summary[name] for name in RASTERS})
    written = _as_written(summary, folder)
    with stage("outlining"):
        polygons = inventory(written, threshold=card.threshold)
        write_inventory(polygons, folder / "inventory.gpkg")
    return RegionMap(filtered, written, polygons, card.threshold, notes)


def _as_written(summary: xr.Dataset, folder: Path) -> xr.Dataset:
    """`summary` with its pixels read back from `folder` instead of computed."""
    return summary.assign(
        {
            name: summary[name].copy(data=lazy_raster(read_header(folder / f"{name}.tif")).astype(summary[name].dtype))
            for name in RASTERS
        }
    )


def map_source(
    source: str | Path,
    out: Path,
    *,
    model: str | Path = "default",
    overwrite: bool = False,
    stage: Stage = quiet,
    draw: Callable[[RegionMap, Path], None] | None = None,
) -> RegionMap:
    """`map_region` for a product folder or a store, into a folder that appears whole or not at all.

    Parameters
    ----------
    source
        Anything `insarflow.open_stack` opens.
    out
        Folder for the results.
    overwrite
        Replace results of an earlier run.
    draw
        Called with the result and the path of ``map.png``.

    Raises
    ------
    InsarError
        If the source, the model or the output is no good.
    """
    ds = open_stack(source)
    with new_folder(out, RESULTS, overwrite=overwrite) as folder:
        result = map_region(ds, folder, model=model, stage=stage)
        if draw is not None:
            with stage("drawing"):
                draw(result, folder / "map.png")
    return result.moved(out)
