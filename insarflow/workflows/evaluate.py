"""From files of outlines to how well they agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyogrio

from insarflow.errors import ProductError
from insarflow.inventory.evaluate import evaluate
from insarflow.inventory.scores import Evaluation
from insarflow.learn.label_files import read_frame
from insarflow.workflows.stage import Stage, quiet

if TYPE_CHECKING:
    import geopandas as gpd


def evaluate_files(
    found: str | Path,
    reference: str | Path,
    *,
    region: str | Path | None = None,
    min_iou: float = 0.3,
    min_cover: float = 0.1,
    rate_field: str | None = None,
    seed: int = 0,
    draws: int = 1000,
    stage: Stage = quiet,
) -> Evaluation:
    """Compare the inventory in a file with the reference in another.

    Parameters
    ----------
    found, reference, region
        GeoPackage, GeoJSON, Shapefile or GeoParquet (extra package ``pyarrow``) with one layer of polygons; as of
        `insarflow.inventory.evaluate`.
    min_iou, min_cover, rate_field, seed, draws
        As of `insarflow.inventory.evaluate`.
    stage
        Shows progress.

    Returns
    -------
    Evaluation
        See `insarflow.inventory.evaluate`.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    ProductError
        If a file is missing, of another kind, damaged, or has several layers of outlines or none.
    SchemaError
        If what a file holds is no good, see `insarflow.inventory.evaluate`.
    """
    with stage("reading"):
        tables = [_read(source, name) for name, source in (("found", found), ("reference", reference))]
        area = None if region is None else _read(region, "region")
    with stage("comparing"):
        return evaluate(
            *tables, min_iou=min_iou, min_cover=min_cover, region=area, rate_field=rate_field, seed=seed, draws=draws
        )


def _read(source: str | Path, name: str) -> gpd.GeoDataFrame:
    try:
        frame, _ = read_frame(source)
    except ProductError as error:
        # It is read as labels are, and so called.
        raise ProductError(str(error).replace("labels=", f"{name}=", 1)) from error
    path = Path(source).expanduser()
    layers = [str(layer) for layer, kind in pyogrio.list_layers(path) if kind] if path.suffix.lower() == ".gpkg" else []
    if len(layers) > 1:
        raise ProductError(
            f"{name}={str(source)!r} must have one layer of outlines, instead got {', '.join(layers)}: write one to a "
            f"file of its own, as ogr2ogr one.gpkg {path.name} {layers[0]} does"
        )
    if not hasattr(frame, "geometry"):
        raise ProductError(f"{name}={str(source)!r} must hold outlines, instead got a table without geometry")
    return frame
