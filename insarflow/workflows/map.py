"""From interferograms to a map of moving slopes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dask
import xarray as xr

from insarflow.errors import InsarError, OutputExistsError
from insarflow.inventory import inventory, write_inventory
from insarflow.inventory.measure import measure
from insarflow.inventory.projection import reproject
from insarflow.stack.blocks import BlockStore
from insarflow.stack.export.geotiff import local_scheduler, write_geotiff
from insarflow.stack.mosaic import lazy_raster
from insarflow.stack.raster import read_header
from insarflow.workflows.lazy_map import RASTERS, LazyMap, lay_out, open_map
from insarflow.workflows.outputs import UNFINISHED, check_folder, publish, remove, unfinished_folder
from insarflow.workflows.run import MapRun, read_run, write_run
from insarflow.workflows.stage import Stage, quiet

if TYPE_CHECKING:
    import geopandas as gpd

RESULTS: Final = ("inventory.gpkg", "probability.tif", "support.tif", "map.png")
RUN_FILE: Final = "run.yaml"


@dataclass(frozen=True)
class RegionMap:
    """A finished map.

    Attributes
    ----------
    stack
        The filtered stack that the model saw, lazy.
    summary
        ``probability`` and ``support``, ``(y, x)``, lazy, as written.
    polygons
        The inventory, in the CRS of the stack.
    threshold
        Probability from which a pixel counts as moving.
    notes
        What was done to the data that a user may not expect, and what they do not tell, one sentence each.
    """

    stack: xr.Dataset
    summary: xr.Dataset
    polygons: gpd.GeoDataFrame
    threshold: float
    notes: tuple[str, ...]

    def moved(self, folder: Path) -> RegionMap:
        """The same, its files having moved to `folder`."""
        return replace(self, summary=_as_written(self.summary, folder))


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
    The model runs once: its blocks are kept in a store, from which the rasters are written and the polygons outlined.
    Each block is computed from its own window of the source, so memory does not grow with the region or the number of
    interferograms (unless a recipe holds ``add_ramp``, ``decorrelate`` or another operation that looks at the place in
    the whole).
    """
    run = MapRun(source=(str(folder),), model=str(model))
    lazy = lay_out(ds, run)
    blocks = lazy.blocks(folder / "blocks.zarr")
    _fill(blocks, stage)
    result = _write_results(lazy, blocks, run, folder, stage)
    shutil.rmtree(blocks.path)
    return result


def map_source(
    run: MapRun,
    out: Path,
    *,
    overwrite: bool = False,
    stage: Stage = quiet,
    draw: Callable[[RegionMap, Path], None] | None = None,
) -> RegionMap:
    """Make the map of a product or a store; called again after a stop, go on where it stopped.

    Parameters
    ----------
    run
        Inputs and parameters.
    out
        Folder for the results; see `RESULTS`. ``run.yaml``, which repeats the run, lies beside them.
    overwrite
        Replace results that are there once the new ones are complete, and unfinished work of other parameters.
    stage
        Shows progress.
    draw
        Called with the result and the path of ``map.png``.

    Raises
    ------
    TypeError, ValueError
        If a parameter is wrong.
    OutputExistsError
        If results are there, or unfinished work of other parameters, or another process writes to `out`.
    InsarError
        If the source, the model or the output is no good.

    Notes
    -----
    Until all is complete the work lies in ``out/unfinished``: whatever stops it, the blocks that are there stay, and
    the same call computes only the others. The results have the same bytes as without the stop. Blocks are computed
    on whatever dask computes on, rasters and polygons are made of them in this process.
    """
    started = time.monotonic()
    run, target = run.absolute(), out.resolve()
    _check_output(run, out, overwrite)
    lazy = open_map(run)
    model = {"name": lazy.model.name, "sha256": lazy.model.sha256}
    with unfinished_folder(out) as folder:
        _check_output(run, out, overwrite)
        blocks = _begin(run, lazy, out, folder, overwrite)
        for place in _run_files(run, target, folder):
            write_run(run, place, model=model)
        there, total = blocks.count() - len(blocks.missing()), blocks.count()
        if there:
            lazy = replace(
                lazy, notes=(*lazy.notes, f"went on with earlier work: {there} of {total} blocks were there")
            )
        _fill(blocks, stage)
        results = folder / "results"
        remove(results)
        results.mkdir()
        with dask.config.set(scheduler=local_scheduler()):
            result = _write_results(lazy, blocks, run, results, stage)
            if draw is not None:
                with stage("drawing"):
                    draw(result, results / "map.png")
        facts = {
            "threshold": result.threshold,
            "slopes": len(result.polygons),
            "area_m2": round(float(result.polygons["area_m2"].sum()), 1),
            "seconds": round(time.monotonic() - started, 1),
        }
        write_run(run, results / RUN_FILE, model=model, results=facts)
        publish(results, target, (*RESULTS, RUN_FILE))
    return result.moved(target)


def _check_output(run: MapRun, out: Path, overwrite: bool) -> None:
    """Refuse, before any work, a folder that results may not go to."""
    with suppress(InsarError):
        # Stopped while complete results were moving: what is in `out` are some of them.
        overwrite = overwrite or read_run(out / UNFINISHED / "results" / RUN_FILE) == run
    check_folder(out, RESULTS, overwrite=overwrite)
    if (out / RUN_FILE).exists():
        try:
            read_run(out / RUN_FILE)
        except InsarError as error:
            raise OutputExistsError(
                f"output {out} holds a {RUN_FILE} that would be replaced, and is not of a map ({error}): "
                "choose another folder, or move it away"
            ) from error


def _begin(run: MapRun, lazy: LazyMap, out: Path, folder: Path, overwrite: bool) -> BlockStore:
    """Blocks to go on with; what else an earlier process left is removed.

    Raises
    ------
    OutputExistsError
        If it computed something else, and `overwrite` was not asked for.
    """
    # The name keeps late threads of a process that stopped from writing into the store of other work.
    blocks = lazy.blocks(folder / f"blocks-{lazy.identity}.zarr")
    others = [path for path in folder.glob("blocks-*.zarr") if path != blocks.path]
    if not overwrite and any(True for path in others for _ in path.glob("*/c/*/*")):
        try:
            before = replace(read_run(folder / RUN_FILE), min_area=run.min_area, crs=run.crs)
            different = ", ".join(run.different(before))
        except InsarError:
            different = ""
        raise OutputExistsError(
            f"output {out} holds unfinished work that differs in "
            f"{different or 'the files of the source or the model, or the versions of insarflow and torch'}: "
            "go on as it was begun, choose another folder, or start anew with --overwrite"
        )
    for path in others:
        remove(path)
    return blocks


def _fill(blocks: BlockStore, stage: Stage) -> None:
    """Compute what is not there."""
    parts = blocks.parts()
    with stage("segmenting", len(parts)):
        for part in parts:
            blocks.fill(part)


def _run_files(run: MapRun, target: Path, folder: Path) -> list[Path]:
    """Where the run is written down before the work; not over that of results that are still there."""
    if any((target / name).exists() for name in RESULTS):
        return [folder / RUN_FILE]
    known = (target / RUN_FILE).exists() and read_run(target / RUN_FILE) == run
    return [folder / RUN_FILE] if known else [folder / RUN_FILE, target / RUN_FILE]


def _write_results(lazy: LazyMap, blocks: BlockStore, run: MapRun, folder: Path, stage: Stage) -> RegionMap:
    """Rasters and polygons from finished blocks."""
    kept = {name: lazy.summary[name].copy(data=blocks.read(name)) for name in RASTERS}
    with stage("writing"):
        write_geotiff({folder / f"{name}.tif": image for name, image in kept.items()})
    written = _as_written(lazy.summary, folder)
    with stage("outlining"):
        polygons = inventory(written, min_area=run.min_area, measured=False)
    with stage("measuring"):
        polygons = measure(polygons, lazy.source, threshold=lazy.cut[0])
        shown = polygons if run.crs is None else reproject(polygons, run.crs)
        write_inventory(shown, folder / "inventory.gpkg")
    return RegionMap(lazy.stack, written, polygons, lazy.cut[0], lazy.notes)


def _as_written(summary: xr.Dataset, folder: Path) -> xr.Dataset:
    """`summary` with its pixels read back from `folder` instead of computed."""
    return summary.assign(
        {
            name: summary[name].copy(data=lazy_raster(read_header(folder / f"{name}.tif")).astype(summary[name].dtype))
            for name in RASTERS
        }
    )
