"""From a store of probabilities to a file of polygons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from insarflow.errors import MissingVariableError
from insarflow.inventory import inventory, write_inventory
from insarflow.inventory.checks import check_threshold
from insarflow.inventory.projection import check_crs, reproject
from insarflow.inventory.write import check_file
from insarflow.stack.sources import SourceLike
from insarflow.stack.store import open_stack
from insarflow.workflows.selection import Selection
from insarflow.workflows.stage import Stage, quiet

if TYPE_CHECKING:
    import geopandas as gpd


def inventory_source(
    source: SourceLike,
    out: str | Path,
    *,
    threshold: float | None = None,
    min_area: float = 10_000.0,
    crs: str | None = None,
    overwrite: bool = False,
    selection: Selection | None = None,
    stage: Stage = quiet,
) -> gpd.GeoDataFrame:
    """Outline moving slopes from stored probabilities and write them as a GeoPackage.

    Parameters
    ----------
    source
        A store with ``probability``, as `insarflow.workflows.segment.segment_source` writes it.
    out
        The ``.gpkg`` file, in a folder that exists. It appears whole or not at all.
    threshold, min_area
        As `insarflow.inventory.inventory`; by default the model's own threshold, and 10 000 m^2.
    crs
        Of the outlines in the file; by default the stack's. Areas are measured on the ellipsoid whatever the CRS.
    overwrite
        Replace the file if it is there.
    selection
        Part of the source that is wanted.
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
        If the source or the output is no good.
    """
    out = check_file(out, overwrite=overwrite)
    if threshold is not None:
        threshold = check_threshold(threshold)
    if crs is not None:
        check_crs(crs)
    with stage("opening"):
        ds = open_stack(source, **(selection or {}))
    if "probability" not in ds:
        raise MissingVariableError(
            f"an inventory is made from probabilities, but {source} holds {', '.join(map(str, ds.data_vars))}: "
            "make them first with insarflow segment, or do both with insarflow map"
        )
    with stage("outlining"):
        polygons = inventory(ds, threshold=threshold, min_area=min_area)
    if crs is not None:
        polygons = reproject(polygons, crs)
    write_inventory(polygons, out, overwrite=overwrite)
    return polygons
