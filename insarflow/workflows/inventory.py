"""From a store of probabilities to files of polygons."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.inventory import inventory, summarise, write_inventory
from insarflow.inventory.checks import check_threshold
from insarflow.inventory.criteria import Criteria, select_slopes
from insarflow.inventory.fusion import fuse
from insarflow.inventory.projection import check_crs, reproject
from insarflow.inventory.raster import rate_image
from insarflow.inventory.read import read_inventory
from insarflow.inventory.write import KINDS, check_file
from insarflow.stack.export.cog import write_cogs
from insarflow.stack.export.layers import Layer, Stack
from insarflow.stack.export.output import check_file as check_new
from insarflow.stack.export.output import check_folder as check_parent
from insarflow.stack.georeference import georeference, grid_of
from insarflow.stack.mosaic import lazy_raster
from insarflow.stack.raster import read_header
from insarflow.stack.sources import SourceLike
from insarflow.stack.store import open_stack
from insarflow.workflows.joined import joined
from insarflow.workflows.outputs import check_folder, new_folder
from insarflow.workflows.selection import Selection
from insarflow.workflows.stage import Stage, quiet

if TYPE_CHECKING:
    import geopandas as gpd

DrawPage = Callable[["gpd.GeoDataFrame", Path, xr.DataArray | None], None]

PAGE = (".html", ".htm")
RASTERS = ("probability.tif", "support.tif", "los_rate.tif")


class Outlining(TypedDict, total=False):
    """Keywords of `insarflow.inventory.inventory`: how outlines are drawn."""

    threshold: float | None
    peak: float | None
    low: float | None
    min_area: float
    fill_holes: float
    simplify: float
    smooth: int


def inventory_source(
    source: SourceLike,
    out: str | Path | Sequence[str | Path],
    *,
    stack: SourceLike | None = None,
    outlining: Outlining | None = None,
    criteria: Criteria | None = None,
    crs: str | None = None,
    rasters: str | Path | None = None,
    overwrite: bool = False,
    selection: Selection | None = None,
    draw_page: DrawPage | None = None,
    stage: Stage = quiet,
) -> gpd.GeoDataFrame:
    """Outline moving slopes from stored probabilities, measure them, and write them to files.

    Parameters
    ----------
    source
        A store with ``probability``, as `insarflow.workflows.segment.segment_source` writes it.
    out
        Files, in folders that exist; each appears whole or not at all. Kinds: see
        `insarflow.inventory.write_inventory`; and ``.html``, a map that opens offline.
    stack
        The stack that was segmented: with it, rates, coherence and terrain of the slopes are measured.
    outlining
        How outlines are drawn; by default the model's own threshold and peak, and 10 000 m^2.
    criteria
        What a slope must be to stay.
    crs
        Of the outlines in the files; by default the stack's. Areas are measured on the ellipsoid whatever the CRS.
    rasters
        Folder for cloud-optimised GeoTIFFs of probability, support, and with `stack` the rate on the slopes.
    overwrite
        Replace files that are there.
    selection
        Part of the source that is wanted.
    draw_page
        Called with the inventory, the path of an ``.html`` file, and the terrain if it is known.
    stage
        Shows progress.

    Returns
    -------
    geopandas.GeoDataFrame
        What was written.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    MissingVariableError
        If the source holds no probability.
    InsarError
        If the source, the stack or an output is no good.
    """
    files = check_outputs(out, crs, overwrite=overwrite, pages=draw_page is not None)
    if rasters is not None:
        check_folder(Path(rasters), RASTERS, overwrite=overwrite)
    how = outlining or Outlining()
    for name, asked in (("threshold", how.get("threshold")), ("peak", how.get("peak"))):
        if asked is not None:
            check_threshold(asked, name=name)
    with stage("opening"):
        ds = open_stack(source, **(selection or {}))
        if "probability" not in ds:
            raise MissingVariableError(
                f"an inventory is made from probabilities, but {source} holds {', '.join(map(str, ds.data_vars))}: "
                "make them first with insarflow segment, or do both with insarflow map"
            )
        if stack is not None:
            ds = joined(ds, open_stack(stack, **(selection or {})))
    with stage("outlining"):
        slopes = inventory(ds, **how, criteria=criteria)
    if rasters is not None:
        with stage("writing"):
            write_rasters(ds, slopes, Path(rasters), overwrite=overwrite)
    dem = ds.get("dem")
    return write_slopes(slopes, files, crs, overwrite=overwrite, draw_page=draw_page, dem=dem)


def fuse_sources(
    ascending: str | Path,
    descending: str | Path,
    out: str | Path | Sequence[str | Path],
    *,
    outlining: Outlining | None = None,
    criteria: Criteria | None = None,
    crs: str | None = None,
    overwrite: bool = False,
    draw_page: DrawPage | None = None,
    stage: Stage = quiet,
) -> gpd.GeoDataFrame:
    """Make one inventory of those of two orbits: slopes that both see count once.

    Parameters
    ----------
    ascending, descending
        Inventories (``.gpkg``, ``.parquet``, ...), or stores of probabilities.
    out, outlining, criteria, crs, overwrite, draw_page, stage
        As `inventory_source`; `outlining` is for stores.

    Returns
    -------
    geopandas.GeoDataFrame
        As `insarflow.inventory.fusion.fuse`.

    Raises
    ------
    TypeError, ValueError, InsarError
        As `inventory_source`, `insarflow.inventory.read.read_inventory` and `insarflow.inventory.fusion.fuse`.
    """
    files = check_outputs(out, crs, overwrite=overwrite, pages=draw_page is not None)
    with stage("outlining"):
        both = []
        for name, source in (("ascending", ascending), ("descending", descending)):
            slopes = (
                read_inventory(source)
                if Path(source).suffix.lower() in KINDS
                else inventory(open_stack(source), **(outlining or Outlining()))
            )
            if "orbit" not in slopes or not slopes["orbit"].astype(bool).any():
                slopes["orbit"] = name
            both.append(slopes)
        fused = fuse(*both)
        if criteria is not None:
            fused = select_slopes(fused, criteria)
    return write_slopes(fused, files, crs, overwrite=overwrite, draw_page=draw_page)


def check_outputs(
    out: str | Path | Sequence[str | Path], crs: str | None, *, overwrite: bool, pages: bool
) -> list[Path]:
    """The files of an inventory to be written, before any work; `pages`: somebody can draw ``.html``.

    Raises
    ------
    TypeError, ValueError, OutputExistsError
        If one cannot be written, or the CRS is unknown.
    """
    wanted = [out] if isinstance(out, str | os.PathLike) else list(out)
    if len({Path(path).resolve() for path in wanted}) < len(wanted):
        raise ValueError(f"out must name each file once, instead got {', '.join(map(str, wanted))}")
    if crs is not None:
        check_crs(crs)
    for path in wanted:
        if Path(path).suffix.lower() in PAGE:
            if not pages:
                raise ValueError(f"draw_page must be given to draw {path}: see insarflow.plot.page.write_page")
            check_parent(Path(path))
            check_new(Path(path), overwrite=overwrite)
        else:
            check_file(path, overwrite=overwrite)
    return [Path(path) for path in wanted]


def write_slopes(
    slopes: gpd.GeoDataFrame,
    files: Sequence[Path],
    crs: str | None,
    *,
    overwrite: bool,
    draw_page: DrawPage | None,
    dem: xr.DataArray | None = None,
) -> gpd.GeoDataFrame:
    """Write an inventory to files of all kinds; gives it as it was written."""
    shown = slopes if crs is None else reproject(slopes, crs)
    for path in files:
        if path.suffix.lower() not in PAGE:
            write_inventory(shown, path, overwrite=overwrite)
        elif draw_page is not None:
            draw_page(shown, path, dem)
    return shown


def write_rasters(ds: xr.Dataset, slopes: gpd.GeoDataFrame, folder: Path, *, overwrite: bool) -> None:
    """Write probability, support and rate of an inventory as cloud-optimised GeoTIFFs.

    Raises
    ------
    OutputExistsError
        If they are there and `overwrite` is False.
    StoreError
        If they cannot be written.
    """
    summary = summarise(ds, threshold=slopes.attrs["threshold"], peak=slopes.attrs["peak"])
    if "los_rate_mm_yr" in slopes:
        summary["los_rate"] = rate_image(slopes, summary["probability"])
    names = tuple(name for name in ("probability", "support", "los_rate") if name in summary)
    stack = Stack(summary, grid_of(summary["probability"]), (), names)
    with new_folder(folder, RASTERS, overwrite=overwrite) as work:
        write_cogs([Layer(name, None, summary[name].data) for name in names], stack, work)


def read_criteria(criteria: Criteria, rasters: Mapping[str, str | Path]) -> Criteria:
    """`criteria` with rasters from files: ``min_elevation``, ``max_elevation``, ``mask``.

    Raises
    ------
    ProductError
        If a file is no raster.
    """
    found: dict[str, Any] = {name: _raster(path) for name, path in rasters.items()}
    return replace(criteria, **found)


def _raster(path: str | Path) -> xr.DataArray:
    header = read_header(Path(path))
    return georeference(xr.Dataset({"raster": (("y", "x"), lazy_raster(header))}), header.grid)["raster"]
